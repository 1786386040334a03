"""Random id of the revocation log, by which followers detect a log restored from a backup."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BITS = 52

counters = sa.table("counters", sa.column("name", sa.Text), sa.column("value", sa.BigInteger))


def upgrade() -> None:
    """Insert a random id."""
    op.bulk_insert(counters, [{"name": "log", "value": secrets.randbits(_BITS)}])


def downgrade() -> None:
    """Delete the id."""
    op.execute(counters.delete().where(counters.c.name == "log"))
