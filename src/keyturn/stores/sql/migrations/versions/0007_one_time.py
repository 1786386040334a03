"""One-time values, and a row per kind that counts them and bounds their age after a restore."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KINDS = ("code", "link", "challenge", "proof")


def upgrade() -> None:
    """Create the tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "one_time",
        sa.Column("kind", text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("created_at", number, nullable=False),
        sa.Column("expires_at", number, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("uses", number, nullable=False),
        sa.Column("made", text, nullable=False),
        sa.Column("log_id", number, nullable=False),
        sa.PrimaryKeyConstraint("kind", "digest", name="pk_one_time"),
    )
    op.create_index("ix_one_time_kind_subject", "one_time", ["kind", "subject"])
    op.create_index("ix_one_time_kind_expires_at", "one_time", ["kind", "expires_at"])
    kinds = op.create_table(
        "one_time_kinds",
        sa.Column("kind", text, nullable=False),
        sa.Column("stored", number, nullable=False),
        sa.Column("log_id", number, nullable=False),
        sa.Column("complete_since", number, nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_one_time_kinds"),
    )
    op.bulk_insert(kinds, [{"kind": each, "stored": 0, "log_id": -1, "complete_since": 0} for each in _KINDS])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("one_time")
    op.drop_table("one_time_kinds")
