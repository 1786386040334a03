"""Columns of accounts: the scopes that their logins are granted, and the flag of Keyturn's administrators."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, with a constant default: no row is rewritten."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    flag = sa.Boolean(create_constraint=False)
    op.add_column("accounts", sa.Column("scope", text, nullable=False, server_default=sa.text("''")))
    op.add_column("accounts", sa.Column("is_admin", flag, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("accounts", "is_admin")
    op.drop_column("accounts", "scope")
