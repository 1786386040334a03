import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

from effort import effort
from keyturn.core.revocation import GenerationIncrement
from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql.database import find_database
from keyturn.stores.sql.migrate import configuration, upgrade
from keyturn.stores.sql.store import SqlStore
from keyturn.stores.sql.tables import metadata
from keyturn.testing.contract.records import new_session
from services.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/keyturn.db"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    made = postgres.database()
    yield made
    postgres.drop(made)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = find_database(url, 15).engine
    yield engine
    engine.dispose()


def test_the_migrated_schema_is_the_declared_one(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_difference_would_be_found(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        connection.execute(text("DROP INDEX ix_sessions_subject"))
        connection.execute(text("ALTER TABLE audit DROP COLUMN detail"))
        assert len(compare_metadata(MigrationContext.configure(connection), metadata)) == 2


def test_primary_keys_and_required_columns_are_as_declared(engine: Engine) -> None:
    upgrade(engine)
    seen = inspect(engine)
    for table in metadata.sorted_tables:
        assert seen.get_pk_constraint(table.name)["constrained_columns"] == table.primary_key.columns.keys()
        required = {column["name"] for column in seen.get_columns(table.name) if not column["nullable"]}
        assert required == {column.name for column in table.columns if not column.nullable}


def test_a_second_upgrade_has_no_effect(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        connection.execute(text("UPDATE counters SET value = 7"))
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT value FROM counters")).scalars().all() == [7] * 6


def test_every_migration_can_be_undone(engine: Engine) -> None:
    upgrade(engine)
    config = configuration()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            left = connection.execute(text("SELECT proname FROM pg_proc WHERE proname LIKE 'keyturn%'"))
            assert left.all() == []


def test_each_migration_can_be_downgraded_and_repeated_with_data(url: str, engine: Engine) -> None:
    store = SqlStore(url)
    session = new_session()
    store.sessions.insert(session)
    entry = store.sessions.increment_generation(
        GenerationIncrement(session.subject, session.created_at, session.expires_at)
    )
    store.close()
    config = configuration()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        for _ in range(len(list(ScriptDirectory.from_config(config).walk_revisions())) - 1):
            command.downgrade(config, "-1")
    again = SqlStore(url)
    found = again.sessions.load(session.sid)
    assert found is not None
    assert found.session == session
    assert again.log.snapshot().entries == (entry,)
    again.close()


def test_migrations_have_one_head() -> None:
    assert len(ScriptDirectory.from_config(configuration()).get_heads()) == 1


def test_a_failed_migration_is_rolled_back(engine: Engine) -> None:
    with engine.connect() as connection:
        # The last table the first migration would make.
        connection.execute(text("CREATE TABLE audit (id INTEGER)"))
    with pytest.raises(StoreUnavailable):
        upgrade(engine)
    assert inspect(engine).get_table_names() == ["audit"]


def test_a_newer_schema_is_refused(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer"):
        upgrade(engine)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keyturn.db"
    path.write_bytes(b"this is not a database, it only looks like a file" * 100)
    with pytest.raises(StoreUnavailable):
        upgrade(create_engine(make_url(f"sqlite:///{path}"), isolation_level="AUTOCOMMIT", poolclass=NullPool))


PROCESSES = effort(3, 6)


def test_many_processes_may_make_the_same_database(url: str) -> None:
    program = (
        "import sys\nfrom keyturn.stores.open import open_store\n"
        "store = open_store(sys.argv[1])\nstore.throttles.purge(0)\nstore.close()\n"
    )
    command_line = [sys.executable, "-W", "error", "-c", program, url]
    workers = [subprocess.Popen(command_line, stderr=subprocess.PIPE) for _ in range(PROCESSES)]
    errors = [worker.communicate(timeout=60)[1] for worker in workers]
    assert errors == [b""] * PROCESSES
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
