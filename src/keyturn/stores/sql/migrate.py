"""Schema migration at process start; several processes may start at once."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.connect_errors import explain_connect_error

_TIMEOUT_MS = 30_000

# The first process migrates; the others wait and find the schema up to date. The number of PostgreSQL's advisory lock
# is arbitrary but fixed; the lock is released when the transaction ends.
_BEGIN = {
    "sqlite": ("BEGIN IMMEDIATE",),
    "postgresql": ("BEGIN", "SELECT pg_advisory_xact_lock(7310578641)"),
}


def upgrade(engine: Engine, setting: str = "KEYTURN_STORE") -> None:
    """Run the pending migrations.

    ``engine``: must be in autocommit mode. ``setting``: name of the database in error messages.
    Raises ``ConfigurationError`` if the schema is newer than this Keyturn, ``StoreUnavailable`` if the database cannot
    be reached or stays locked.
    """
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text(f"PRAGMA busy_timeout={_TIMEOUT_MS}"))
            if _revision(connection) != _head():
                _upgrade(connection)
    except CommandError:
        raise ConfigurationError(
            "the database's schema is newer than this version of Keyturn; upgrade Keyturn"
        ) from None
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"{setting}: cannot migrate the schema: {explain_connect_error(error)}") from None


def configuration() -> Config:
    """Return Alembic's configuration, so that an installed Keyturn needs no ``alembic.ini``."""
    config = Config()
    config.set_main_option("script_location", "keyturn.stores.sql:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection) -> None:
    for statement in _BEGIN.get(connection.dialect.name, ("BEGIN",)):
        connection.execute(text(statement))
    config = configuration()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except BaseException:
        connection.execute(text("ROLLBACK"))
        raise
    connection.execute(text("COMMIT"))


def _head() -> str | None:
    return ScriptDirectory.from_config(configuration()).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
