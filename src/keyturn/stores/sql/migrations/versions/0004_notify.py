"""PostgreSQL tells whoever listens that the revocation log has grown, and which of its histories the log is in."""

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

# The write-ahead log's files are named by it. Where a provider forbids to ask, there is one history for all we know.
_TIMELINE = """CREATE FUNCTION keyturn_timeline() RETURNS bigint LANGUAGE plpgsql STABLE AS
$$ BEGIN RETURN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint;
EXCEPTION WHEN OTHERS THEN RETURN 0; END $$"""


def upgrade() -> None:
    """Make the trigger and the functions."""
    if op.get_context().dialect.name == "postgresql":
        for statement in (_FUNCTION, _TRIGGER, _TIMELINE):
            op.execute(statement)


def downgrade() -> None:
    """Drop the trigger and the functions."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER keyturn_notify ON revocations")
        op.execute("DROP FUNCTION keyturn_notify()")
        op.execute("DROP FUNCTION keyturn_timeline()")
