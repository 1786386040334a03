"""Accounts in SQL, sessions in Redis: nobody reads an account while a change of it is between the two."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from keyturn import Issuer
from keyturn.core.account import Account
from keyturn.errors import LoginFailed, StoreUnavailable
from keyturn.stores.open import RedisSessions, open_async_store, open_store
from keyturn.stores.redis.accounts import AccountsWithRedisSessions
from keyturn.stores.sql.operation import ExternalCall
from keyturn.testing.blocking import Blocking
from keyturn.testing.contract.records import new_account, new_increment
from services.fixtures import Fresh
from services.redis import RedisServer

OLD, NEW = "violet umbrella 7 o clock", "violet umbrella 8 o clock"
SECONDS = 0.3


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if kind.endswith("sqlite"):
        return f"sqlite:///{tmp_path}/keyturn.db"
    fresh: Fresh = request.getfixturevalue("fresh")
    return fresh(kind)


class Change:
    """A change that has revoked the sessions and waits before its commit. ``fails``: it fails there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.revoked, self.go_on, self.fails = Event(), Event(), False
        real = AccountsWithRedisSessions._increment_generation

        def increment_generation(*arguments: Any) -> ExternalCall:
            external = real(*arguments)

            async def run_async() -> object:
                return await asyncio.to_thread(self._stop, await external.run_async())

            return ExternalCall(lambda: self._stop(external.run()), run_async)

        monkeypatch.setattr(AccountsWithRedisSessions, "_increment_generation", increment_generation)

    def _stop(self, result: object) -> object:
        self.revoked.set()
        assert self.go_on.wait(30)
        if self.fails:
            raise StoreUnavailable("the process ends here")
        return result


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Change:
    return Change(monkeypatch)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def waits(future: "Future[Any]") -> bool:
    try:
        future.result(SECONDS)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("fails", [False, True], ids=["committed", "failed"])
@pytest.mark.parametrize("read", ["find", "load"])
@pytest.mark.parametrize("kind", ["sqlite", "async sqlite", "postgresql", "postgresql+asyncpg"])
def test_a_read_of_an_account_waits_for_its_change(
    kind: str, read: str, fails: bool, url: str, empty_redis: RedisServer, change: Change, threads: ThreadPoolExecutor
) -> None:
    sessions = RedisSessions(empty_redis.url)
    is_async = kind in ("async sqlite", "postgresql+asyncpg")
    store: Any = Blocking(open_async_store(url, 4, sessions)) if is_async else open_store(url, 4, sessions)
    try:
        account, other = new_account(), new_account()
        for each in (account, other):
            assert store.accounts.insert(each)
        changed = replace(account, password_hash="another", version=account.version + 1)
        change.fails = fails
        changing = threads.submit(store.accounts.replace_and_revoke, changed, new_increment(account.subject))
        assert change.revoked.wait(30)
        reading = threads.submit(read_account, store, read, account)
        assert waits(reading)
        if kind.startswith("postgresql"):
            assert read_account(store, read, other) == other, "only one account is locked"
        change.go_on.set()
        assert reading.result(30) == (account if fails else changed)
        assert (changing.exception(30) is not None) == fails
        assert read_account(store, read, account) == (account if fails else changed)
    finally:
        store.close()


def read_account(store: Any, read: str, account: Account) -> Account | None:
    argument = account.identifier if read == "find" else account.subject
    found: Account | None = getattr(store.accounts, read)(argument)
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_login_with_the_old_password_does_not_outlive_an_acknowledged_change(
    kind: str, url: str, tmp_path: Path, empty_redis: RedisServer, change: Change, threads: ThreadPoolExecutor
) -> None:
    with Issuer.from_env(data_dir=str(tmp_path), store=url, session_store=empty_redis.url, background=False) as issuer:
        first = issuer.signup("ada@example.com", OLD, deliver="cookie")
        changing = threads.submit(issuer.change_password, first.sid, OLD, NEW)
        assert change.revoked.wait(30)
        login = threads.submit(issuer.login, "ada@example.com", OLD, deliver="cookie")
        assert waits(login), "it has neither failed nor opened a session"
        change.go_on.set()
        assert changing.result(30).sid == first.sid
        with pytest.raises(LoginFailed):
            login.result(30)
        issuer.login("ada@example.com", NEW)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_change_that_ends_between_the_stores_keeps_the_old_password_and_no_session(
    kind: str, url: str, tmp_path: Path, empty_redis: RedisServer, change: Change
) -> None:
    change.fails = True
    change.go_on.set()
    with Issuer.from_env(data_dir=str(tmp_path), store=url, session_store=empty_redis.url, background=False) as issuer:
        first = issuer.signup("ada@example.com", OLD, deliver="cookie")
        other = issuer.login("ada@example.com", OLD, deliver="cookie")
        with pytest.raises(StoreUnavailable):
            issuer.change_password(first.sid, OLD, NEW)
        assert [each.sid for each in issuer.sessions(first.subject)] == [first.sid]
        again = issuer.login("ada@example.com", OLD, deliver="cookie")
        assert {each.sid for each in issuer.sessions(first.subject)} == {first.sid, again.sid} - {other.sid}
        with pytest.raises(LoginFailed):
            issuer.login("ada@example.com", NEW)
        change.fails = False
        issuer.change_password(again.sid, OLD, NEW)
        assert [each.sid for each in issuer.sessions(first.subject)] == [again.sid]
