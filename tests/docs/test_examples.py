"""What a page tells its reader to do is done here, from the page itself, and prints what the page shows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from docs.page import RUN, SHOWN, Page, pages
from docs.page_runner import DATA, Reader
from server_process import ServerProcess, run_server
from services.postgres import Postgres
from services.run import locked

PAGES = pages()
RUNNABLE = [each for each in PAGES if each.runs]
ALONE = [each for each in RUNNABLE if not each.shares]
TOGETHER = [each for each in RUNNABLE if each.shares]
POSTGRES = "5432"
SILENT = ("", "sql", "ini", "nginx", "toml", "mermaid", "{toctree}", "{eval-rst}", "{include}", *SHOWN)


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """Yield the port of a PostgreSQL server with the role and database that the page asks for."""
    with locked("role keyturn"):  # another worker may follow another page
        postgres.run("CREATE ROLE keyturn LOGIN PASSWORD 'violet'")
        postgres.run("CREATE DATABASE keyturn OWNER keyturn ENCODING 'UTF8' TEMPLATE template0")
        yield str(postgres.port)
        postgres.run("DROP DATABASE keyturn WITH (FORCE)")
        postgres.run("DROP ROLE keyturn")


@pytest.fixture
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    page: Page = request.param
    ports = {POSTGRES: request.getfixturevalue("database")} if f":{POSTGRES}/" in page.text else {}
    found = Reader(page, tmp_path, ports)
    try:
        yield found
    finally:
        found.leave()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with run_server(tmp_path_factory.mktemp("shared") / DATA) as server:
        yield server


@pytest.fixture
def empty(shared: ServerProcess) -> Iterator[ServerProcess]:
    """Return the shared server without accounts: pages sign up the same users."""
    yield shared
    with closing(sqlite3.connect(shared.data / "keyturn.db", isolation_level=None, timeout=30)) as database:
        for table in ("sessions", "accounts", "throttles"):
            database.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize(
    ("reader", "page"), [(each, each) for each in ALONE], ids=[each.path for each in ALONE], indirect=["reader"]
)
def test_the_commands_of_a_page_work(reader: Reader, page: Page) -> None:
    for block in page.runs:
        reader.follow(block)


@pytest.mark.parametrize("page", TOGETHER, ids=lambda page: page.path)
def test_the_commands_of_a_page_work_beside_a_shared_server(empty: ServerProcess, page: Page, tmp_path: Path) -> None:
    reader = Reader(page, tmp_path, {}, empty)
    try:
        for block in page.runs:
            reader.follow(block)
    finally:
        reader.leave()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_block_that_is_not_run_says_why(page: Page) -> None:
    for block in page.blocks:
        assert block.language in (*RUN, *SILENT), f"{page.path}:{block.line}: what is {block.language}?"
        if block.mark.startswith("not run"):
            assert len(block.not_run) > 15, f"{page.path}:{block.line} does not say why it is not run"


def test_the_pages_that_must_run_do() -> None:
    must = {"README.md", "docs/tutorial/index.md"}
    assert must <= {each.path for each in TOGETHER}
    assert {"docs/howto/production.md", "docs/howto/postgresql.md"} <= {each.path for each in ALONE}
