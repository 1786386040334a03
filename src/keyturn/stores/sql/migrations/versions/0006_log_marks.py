"""Random tag of each log entry and id of the database, by which a log put back from a backup is detected."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

counters = sa.table("counters", sa.column("name", sa.Text), sa.column("value", sa.BigInteger))


def upgrade() -> None:
    """Add the column and the counters.

    The database's id is the log's first id, so that a backup from before this migration gets the same one again.
    """
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("revocations", sa.Column("tag", number, nullable=False, server_default="0"))
    first_id = sa.select(sa.literal("database"), counters.c.value).where(counters.c.name == "log")
    op.execute(sa.insert(counters).from_select(["name", "value"], first_id))
    op.bulk_insert(counters, [{"name": name, "value": 0} for name in ("purged_tag", "purged_tag_at")])


def downgrade() -> None:
    """Drop the column and the counters."""
    op.execute(counters.delete().where(counters.c.name.in_(["database", "purged_tag", "purged_tag_at"])))
    op.drop_column("revocations", "tag")
