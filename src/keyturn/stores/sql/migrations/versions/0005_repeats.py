"""Columns of sessions that record which refresh tokens were issued more than once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = ("unseen_rotation", "late_answers", "repeated_rotation", "repeated_in_a_row")


def upgrade() -> None:
    """Add the columns, with a constant default: no row is rewritten."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for name in _COLUMNS:
        op.add_column("sessions", sa.Column(name, number, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the columns."""
    for name in _COLUMNS:
        op.drop_column("sessions", name)
