"""Initial schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _NUMBER, nullable=nullable)


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in names]


def upgrade() -> None:
    """Create every table."""
    _sessions()
    _revocations()
    _accounts()
    _throttles_keys_audit()


def downgrade() -> None:
    """Drop every table."""
    for table in ("audit", "signing_keys", "throttles", "accounts", "counters", "revocations", "marks", "sessions"):
        op.drop_table(table)


def _sessions() -> None:
    op.create_table(
        "sessions",
        *_text("sid", "subject"),
        sa.Column("seed", sa.LargeBinary, nullable=False),
        *_text("client_id", "label", "address"),
        *map(_number, ("generation", "created_at", "auth_time", "last_seen_at", "expires_at")),
        *_text("amr", "scope", "claims"),
        *map(_number, ("renewals", "rotations")),
        _number("rotated_at", nullable=True),
        _number("ended_at", nullable=True),
        *_text("end_reason"),
        _number("version"),
        sa.PrimaryKeyConstraint("sid", name="pk_sessions"),
    )
    if op.get_context().dialect.name == "postgresql":
        # Free space in each page for the next version of its rows: a rotation then changes no index (a HOT update).
        # A statement, since only SQLAlchemy 2.1 has the option postgresql_with.
        op.execute("ALTER TABLE sessions SET (fillfactor = 80)")
    op.create_index("ix_sessions_subject", "sessions", ["subject"])


def _revocations() -> None:
    op.create_table(
        "marks",
        *_text("kind", "key"),
        _number("value"),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_marks"),
    )
    op.create_table(
        "revocations",
        sa.Column("sequence", _NUMBER, nullable=False, autoincrement=False),
        *_text("kind", "key"),
        *map(_number, ("value", "at", "expires_at")),
        sa.PrimaryKeyConstraint("sequence", name="pk_revocations"),
    )
    op.create_index("ix_revocations_expires_at", "revocations", ["expires_at"])
    counters = op.create_table(
        "counters", *_text("name"), _number("value"), sa.PrimaryKeyConstraint("name", name="pk_counters")
    )
    op.bulk_insert(counters, [{"name": "appended", "value": 0}, {"name": "purged", "value": 0}])


def _accounts() -> None:
    op.create_table(
        "accounts",
        *_text("subject", "identifier", "password_hash"),
        _number("created_at"),
        sa.Column("disabled", sa.Boolean(create_constraint=False), nullable=False),
        _number("version"),
        sa.PrimaryKeyConstraint("subject", name="pk_accounts"),
    )
    op.create_index("ix_accounts_identifier", "accounts", ["identifier"], unique=True)


def _throttles_keys_audit() -> None:
    op.create_table(
        "throttles",
        *_text("key"),
        *map(_number, ("level", "updated_at", "version")),
        sa.PrimaryKeyConstraint("key", name="pk_throttles"),
    )
    op.create_table(
        "signing_keys",
        *_text("kid", "algorithm"),
        *map(_number, ("serial", "active_at")),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
    )
    op.create_index("ix_signing_keys_serial", "signing_keys", ["serial"], unique=True)
    op.create_table(
        "audit",
        sa.Column("id", _NUMBER, nullable=False, autoincrement=True),
        *_text("event"),
        _number("at"),
        *_text("subject", "sid", "address", "detail"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject_id", "audit", ["subject", "id"])
