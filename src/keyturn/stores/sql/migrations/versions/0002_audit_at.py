"""An index over when audit events happened, so that deleting the old ones reads no others."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_audit_at", "audit", ["at"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_audit_at", "audit")
