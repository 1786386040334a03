"""Index on the time of audit events, so that a purge reads expired events only."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_audit_at", "audit", ["at"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_audit_at", "audit")
