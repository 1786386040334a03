"""PostgreSQL tells whoever listens that the revocation log has grown, when that is committed."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A trigger, not a statement of each operation: nothing can append in silence, a restored backup included.
_FUNCTION = """CREATE FUNCTION keyturn_notify() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('keyturn', ''); RETURN NULL; END $$"""
_TRIGGER = """CREATE TRIGGER keyturn_notify AFTER INSERT ON revocations
FOR EACH STATEMENT EXECUTE FUNCTION keyturn_notify()"""


def upgrade() -> None:
    """Make the trigger."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_FUNCTION)
        op.execute(_TRIGGER)


def downgrade() -> None:
    """Drop the trigger."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER keyturn_notify ON revocations")
        op.execute("DROP FUNCTION keyturn_notify()")
