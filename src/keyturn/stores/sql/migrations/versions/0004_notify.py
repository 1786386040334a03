"""PostgreSQL trigger that notifies of new log entries, and a function that returns the server's timeline id."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A trigger, not a statement of each operation: every insert notifies, even one by a restore from a backup.
_FUNCTION = """CREATE FUNCTION keyturn_notify() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('keyturn', ''); RETURN NULL; END $$"""
_TRIGGER = """CREATE TRIGGER keyturn_notify AFTER INSERT ON revocations
FOR EACH STATEMENT EXECUTE FUNCTION keyturn_notify()"""

# WAL file names begin with the timeline id. If the provider forbids the call, assume that there is one timeline.
_TIMELINE = """CREATE FUNCTION keyturn_timeline() RETURNS bigint LANGUAGE plpgsql STABLE AS
$$ BEGIN RETURN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint;
EXCEPTION WHEN OTHERS THEN RETURN 0; END $$"""


def upgrade() -> None:
    """Create the trigger and the functions."""
    if op.get_context().dialect.name == "postgresql":
        for statement in (_FUNCTION, _TRIGGER, _TIMELINE):
            op.execute(statement)


def downgrade() -> None:
    """Drop the trigger and the functions."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER keyturn_notify ON revocations")
        op.execute("DROP FUNCTION keyturn_notify()")
        op.execute("DROP FUNCTION keyturn_timeline()")
