"""The life of an issuer: opened on first use, closed, opened again, and opened anew by every forked child."""

import asyncio
import multiprocessing
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from keyturn import AsyncIssuer, Issuer, issuer_base
from keyturn.config import components
from keyturn.config.settings import Settings
from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.stores.sql import sqlite_forks
from services.fixtures import Fresh
from services.redis import RedisServer

PASSWORD = "a bicycle made of rain"
ADA = "ada@example.com"
threads_and_fork = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(params=["sqlite", "postgresql", "redis", "redis cache"])
def stores(request: pytest.FixtureRequest, tmp_path: Path, fresh: Fresh) -> dict[str, Any]:
    """Return the settings of an issuer over each kind of store."""
    settings: dict[str, Any] = {"data_dir": str(tmp_path)}
    if request.param == "postgresql":
        return settings | {"store": fresh("postgresql")}
    if request.param == "sqlite":
        return settings
    redis: RedisServer = request.getfixturevalue("empty_redis")
    return settings | {"session_store" if request.param == "redis" else "redis_cache": redis.url}


def in_child(work: Callable[[], Any]) -> Any:
    """Return what ``work`` returns in a forked child, or the error that it raises there."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def child() -> None:
        try:
            there.send(work())
        except Exception as error:
            there.send(f"{type(error).__name__}: {error}")

    process = context.Process(target=child)
    process.start()
    assert here.poll(30), "the child hangs"
    answer = here.recv()
    process.join(30)
    return answer


def test_an_issuer_is_not_opened_before_its_first_use(tmp_path: Path) -> None:
    issuer = Issuer.from_env(data_dir=str(tmp_path), background=False)
    assert (tmp_path / "secret").exists()
    assert issuer.current is None
    assert not (tmp_path / "keyturn.db").exists()
    assert issuer.config.issuer == "http://127.0.0.1:8000"
    assert issuer.signup(ADA, PASSWORD).subject
    assert issuer.current is issuer.parts
    issuer.close()


def test_settings_that_cannot_be_used_are_refused_before_the_first_use(tmp_path: Path) -> None:
    for wrong in ({"profile": "nothing"}, {"redis_min_replicas": 1}, {"redis_cache": "http://x", "store": "sqlite://"}):
        with pytest.raises(ConfigurationError):
            Issuer.from_env(data_dir=str(tmp_path), **wrong)


def test_threads_that_use_an_issuer_first_open_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, build = [], components.build_components
    monkeypatch.setattr(
        "keyturn.issuer_base.build_components", lambda *args, **kwargs: opened.append(args) or build(*args, **kwargs)
    )
    with ThreadPoolExecutor(8) as pool:
        issuer = Issuer.from_env(data_dir=str(tmp_path))
        assert not any(pool.map(lambda n: issuer.sessions(f"subject {n}"), range(16)))
    assert len(opened) == 1
    issuer.close()


def test_tasks_that_use_an_issuer_first_open_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, build = [], components.build_components
    monkeypatch.setattr(
        "keyturn.issuer_base.build_components", lambda *args, **kwargs: opened.append(args) or build(*args, **kwargs)
    )

    async def use() -> None:
        issuer = AsyncIssuer.from_env(data_dir=str(tmp_path))
        assert not any(await asyncio.gather(*(issuer.sessions(f"subject {n}") for n in range(16))))  # type: ignore[arg-type]
        await issuer.close()

    asyncio.run(use())
    assert len(opened) == 1


def test_a_closed_issuer_opens_again_when_it_is_entered(stores: dict[str, Any]) -> None:
    issuer = Issuer.from_env(**stores)
    with issuer:
        issued = issuer.signup(ADA, PASSWORD)
    with pytest.raises(ConfigurationError, match="closed"):
        issuer.verify(str(issued.session_token))
    with issuer:
        with issuer:
            assert issuer.verify(str(issued.session_token)).sid == issued.sid
        assert issuer.verify(str(issued.session_token)).sid == issued.sid
        issuer.close()
        assert issuer.current is None


def test_an_issuer_that_two_lifespans_share_is_closed_by_the_last(tmp_path: Path) -> None:
    shared = AsyncIssuer.from_env(data_dir=str(tmp_path))

    async def main() -> None:
        async with shared:
            async with shared:
                token = str((await shared.signup(ADA, PASSWORD)).session_token)
            assert await shared.verify(token)
        with pytest.raises(ConfigurationError, match="closed"):
            await shared.verify(token)

    asyncio.run(main())


def test_a_closed_async_issuer_opens_again_when_it_is_entered(stores: dict[str, Any]) -> None:
    issuer = AsyncIssuer.from_env(**stores)

    async def sign_up() -> str:
        async with issuer:
            return str((await issuer.signup(ADA, PASSWORD)).session_token)

    async def verify(token: str) -> None:
        with pytest.raises(ConfigurationError, match="closed"):
            await issuer.verify(token)
        async with issuer:
            assert await issuer.verify(token)

    asyncio.run(verify(asyncio.run(sign_up())))


def test_an_issuer_that_cannot_be_opened_says_why_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Issuer.from_env(data_dir=str(tmp_path)):
        pass
    other = Issuer.from_env(data_dir=str(tmp_path), secret="ab" * 32)
    caplog.clear()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="cannot be decrypted"):
            other.sessions("ada")  # type: ignore[arg-type]
    assert [each.levelname for each in caplog.records] == ["ERROR"]
    assert "cannot be decrypted" in caplog.text


def test_a_store_that_is_away_is_not_asked_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unreachable = Issuer.from_env(data_dir=str(tmp_path), store="postgresql://keyturn@127.0.0.1:1/keyturn")
    with pytest.raises(StoreUnavailable, match="nothing listens"):
        unreachable.sessions("ada")  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable, match=r"next attempt .* nothing listens"):
        unreachable.sessions("ada")  # type: ignore[arg-type]
    assert caplog.text.count("could not be opened") == 1
    monkeypatch.setattr(issuer_base, "_RETRY_SECONDS", -1.0)
    with pytest.raises(StoreUnavailable, match="nothing listens"):
        unreachable.__enter__()
    with pytest.raises(StoreUnavailable, match="nothing listens"):
        unreachable.sessions("ada")  # type: ignore[arg-type]


def test_an_opening_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    with Issuer.from_env(data_dir=str(tmp_path), background=False) as first:
        first.signup(ADA, PASSWORD)
    before = len(sqlite_forks._open)
    other = Issuer.from_env(data_dir=str(tmp_path), secret="another s3cret " * 4)
    with pytest.raises(ConfigurationError):
        other.sessions("ada")  # type: ignore[arg-type]
    assert other.current is None
    assert len(sqlite_forks._open) == before


@threads_and_fork
def test_a_forked_child_opens_its_own_store(stores: dict[str, Any]) -> None:
    with Issuer.from_env(**stores) as issuer:
        issued = issuer.signup(ADA, PASSWORD, deliver="both")
        parent = issuer.parts

        def use() -> tuple[bool, bool, str]:
            assert issuer.current is None
            subject = issuer.verify(str(issued.session_token)).subject
            issuer.revoke_subject(subject)
            own = issuer.parts
            alive = [thread.is_alive() for thread in issuer._background_tasks._threads]  # type: ignore[union-attr]
            issuer.close()
            return own is not parent, all(alive), subject

        assert in_child(use) == (True, True, issued.subject)
        assert issuer.parts is parent
        assert issuer.sessions(issued.session.subject) == []
        again = issuer.login(ADA, PASSWORD)
        assert issuer.verify(str(again.session_token))


@threads_and_fork
def test_an_issuer_that_is_forked_before_its_first_use_serves_every_worker(stores: dict[str, Any]) -> None:
    """As under ``gunicorn --preload``: built at import, used by each worker."""
    issuer, aio = Issuer.from_env(**stores), AsyncIssuer.from_env(**stores)
    token = in_child(lambda: str(issuer.signup(ADA, PASSWORD).session_token))
    assert in_child(lambda: issuer.verify(token).subject) == in_child(lambda: asyncio.run(verify(aio, token)))
    assert issuer.current is None


async def verify(issuer: AsyncIssuer, token: str) -> str:
    async with issuer:
        return (await issuer.verify(token)).subject


@threads_and_fork
def test_a_forked_child_keeps_its_commits_when_the_parent_closes(tmp_path: Path) -> None:
    """SQLite: a connection that a child opened beside an inherited one lost its write-ahead log."""
    issuer = Issuer.from_env(data_dir=str(tmp_path))
    issuer.signup(ADA, PASSWORD)
    context = multiprocessing.get_context("fork")
    opened, closed = context.Event(), context.Event()

    def child() -> None:
        issuer.sessions("nobody")  # type: ignore[arg-type]
        opened.set()
        closed.wait(30)
        issuer.signup("bob@example.com", PASSWORD)
        os._exit(0)  # like a process that is killed: nothing is closed

    process = context.Process(target=child)
    process.start()
    assert opened.wait(30)
    issuer.close()
    closed.set()
    process.join(30)
    with sqlite3.connect(tmp_path / "keyturn.db") as database:
        assert database.execute("SELECT count(*) FROM accounts").fetchone() == (2,)
    database.close()


@threads_and_fork
def test_a_forked_child_is_refused_a_database_in_use_during_the_fork(tmp_path: Path) -> None:
    with Issuer.from_env(data_dir=str(tmp_path), background=False) as issuer:
        issued = issuer.signup(ADA, PASSWORD)
        pool = issuer.parts.store._runner._connections
        connection = pool.acquire()
        assert "was in use during a fork" in in_child(lambda: issuer.login(ADA, PASSWORD).sid)
        pool.release(connection)
        assert "before a fork" in in_child(lambda store=issuer.parts.store: store.sessions.load(issued.sid))
        assert issuer.login(ADA, PASSWORD).subject == issued.subject


@threads_and_fork
def test_a_forked_child_does_not_use_a_copied_memory_store(tmp_path: Path) -> None:
    settings = Settings(issuer="https://auth.example.com", audience="x", store="memory:", secret="s3cret-" * 8)
    with Issuer.open(settings) as issuer:
        issued = issuer.signup(ADA, PASSWORD)
        assert "store memory: was opened before a fork" in in_child(lambda: issuer.verify(str(issued.session_token)))
        assert issuer.verify(str(issued.session_token))
