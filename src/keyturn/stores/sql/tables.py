"""Tables with portable types. Columns that change often are not indexed, so that a rotation rewrites one row only."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, false, text
from sqlalchemy import Text as AnyText

_Number = BigInteger().with_variant(Integer(), "sqlite")
"""64-bit integer. SQLite's INTEGER has 64 bits, and only a column of that name can be the rowid."""

_TEXT = AnyText().with_variant(AnyText(collation="C"), "postgresql")
"""Text in byte order, as in SQLite: a locale's collation is slower and changes with its version."""

metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)

sessions = Table(
    "sessions",
    metadata,
    Column("sid", _TEXT, primary_key=True),
    Column("subject", _TEXT, nullable=False, index=True),
    Column("seed", LargeBinary, nullable=False),
    Column("client_id", _TEXT, nullable=False),
    Column("label", _TEXT, nullable=False),
    Column("address", _TEXT, nullable=False),
    Column("generation", _Number, nullable=False),
    Column("created_at", _Number, nullable=False),
    Column("auth_time", _Number, nullable=False),
    Column("last_seen_at", _Number, nullable=False),
    Column("expires_at", _Number, nullable=False),
    Column("amr", _TEXT, nullable=False),
    Column("scope", _TEXT, nullable=False),
    Column("claims", _TEXT, nullable=False),
    Column("renewals", _Number, nullable=False),
    Column("rotations", _Number, nullable=False),
    Column("rotated_at", _Number),
    Column("ended_at", _Number),
    Column("end_reason", _TEXT, nullable=False),
    Column("version", _Number, nullable=False),
    # Defaults in the database: during an upgrade, issuers of the version before insert sessions without them.
    Column("unseen_rotation", _Number, nullable=False, server_default="0"),
    Column("late_answers", _Number, nullable=False, server_default="0"),
    Column("repeated_rotation", _Number, nullable=False, server_default="0"),
    Column("repeated_in_a_row", _Number, nullable=False, server_default="0"),
)

marks = Table(
    "marks",
    metadata,
    Column("kind", _TEXT, primary_key=True),
    Column("key", _TEXT, primary_key=True),
    Column("value", _Number, nullable=False),
)

RESTORED = "restored"
"""Kind of mark: sessions created before its value are not served until an operator decides on a restored database."""

revocations = Table(
    "revocations",
    metadata,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("kind", _TEXT, nullable=False),
    Column("key", _TEXT, nullable=False),
    Column("value", _Number, nullable=False),
    Column("at", _Number, nullable=False),
    Column("expires_at", _Number, nullable=False, index=True),
    Column("tag", _Number, nullable=False, server_default="0"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", _TEXT, primary_key=True),
    Column("value", _Number, nullable=False),
)

APPENDED = "appended"
"""Counter: sequence number of the last entry. Its row is locked until commit, so sequence order is commit order."""

PURGED = "purged"
"""Counter: sequence number of the newest purged entry; a follower behind it may have missed entries."""

PURGED_TAG = "purged_tag"
"""Counter: tag of the newest purged entry, if ``PURGED_TAG_AT`` is its sequence number."""

PURGED_TAG_AT = "purged_tag_at"
"""Counter: sequence number of ``PURGED_TAG``. During an upgrade, processes of an older version purge without it."""

LOG_ID = "log"
"""Counter: id of this log, random at first, raised by a random number after a restore from a backup."""

DATABASE = "database"
"""Counter: id of this database. It never changes."""

accounts = Table(
    "accounts",
    metadata,
    Column("subject", _TEXT, primary_key=True),
    Column("identifier", _TEXT, nullable=False),
    Column("password_hash", _TEXT, nullable=False),
    Column("created_at", _Number, nullable=False),
    Column("disabled", Boolean(create_constraint=False), nullable=False),
    Column("version", _Number, nullable=False),
    # Defaults in the database: during an upgrade, issuers of the version before insert accounts without them.
    Column("scope", _TEXT, nullable=False, server_default=text("''")),
    Column("is_admin", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Index(None, "identifier", unique=True),
)

throttles = Table(
    "throttles",
    metadata,
    Column("key", _TEXT, primary_key=True),
    Column("level", _Number, nullable=False),
    Column("updated_at", _Number, nullable=False),
    Column("version", _Number, nullable=False),
)

one_time = Table(
    "one_time",
    metadata,
    Column("kind", _TEXT, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("subject", _TEXT, nullable=False),
    Column("created_at", _Number, nullable=False),
    Column("expires_at", _Number, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("uses", _Number, nullable=False),
    Column("made", _TEXT, nullable=False),
    Column("log_id", _Number, nullable=False),
    Index(None, "kind", "subject"),
    Index(None, "kind", "expires_at"),
)

one_time_kinds = Table(
    "one_time_kinds",
    metadata,
    Column("kind", _TEXT, primary_key=True),
    Column("stored", _Number, nullable=False),
    Column("log_id", _Number, nullable=False),
    Column("complete_since", _Number, nullable=False),
)
"""One row per kind: the number of its values, and the time since which none was lost, of the log with this id."""

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", _TEXT, primary_key=True),
    Column("algorithm", _TEXT, nullable=False),
    Column("serial", _Number, nullable=False),
    Column("active_at", _Number, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "serial", unique=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("event", _TEXT, nullable=False),
    Column("at", _Number, nullable=False),
    Column("subject", _TEXT, nullable=False),
    Column("sid", _TEXT, nullable=False),
    Column("address", _TEXT, nullable=False),
    Column("detail", _TEXT, nullable=False),
    Index(None, "subject", "id"),
    Index(None, "at"),
)
