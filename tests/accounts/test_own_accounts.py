"""Accounts in a table of the application: log in, change, deactivate, delete and reuse them."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.own_accounts import OTHER, PASSWORD, AsyncTableAccounts, Customer, TableAccounts, hash_password
from keyturn import AsyncIssuer, Issuer
from keyturn.accounts.session_cache import ACCOUNT_CHECK_SECONDS
from keyturn.core.types import Subject
from keyturn.errors import AccountExists, ConfigurationError, LoginFailed, Refusal, TokenRevoked

ADA = "ada@example.com"


def settings(folder: Path, store: str = "memory:") -> dict[str, Any]:
    return {"data_dir": str(folder), "store": store.format(folder), "algorithm": "ES256"}


class MovableClock:
    """Monotonic time that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Application:
    """An issuer over a table with one customer, and requests of a browser and of an app."""

    def __init__(self, folder: Path, store: str) -> None:
        self.clock = MovableClock()
        self.table = TableAccounts(folder / "shop.db")
        self.table.run("insert into customers (id, email, password) values (7, ?, ?)", ADA, hash_password(PASSWORD))
        self.issuer = Issuer.from_env(accounts=self.table, background=False, **settings(folder, store))

    def log_in(self, password: str = PASSWORD) -> Any:
        return self.issuer.login(ADA, password, deliver="both")

    def is_live(self, issued: Any) -> bool:
        """Verify the session cookie as a later request does: background=False reads the store each time."""
        try:
            return self.issuer.verify(issued.session_token.reveal()).subject == "7"
        except TokenRevoked:
            return False


@pytest.fixture(params=["memory:", "sqlite:///{}/keyturn.db"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Application]:
    made = Application(tmp_path, request.param)
    with made.issuer:
        yield made


def test_a_customer_logs_in_with_the_key_of_the_row_as_subject(app: Application) -> None:
    app.table.run("update customers set scope = 'orders:read'")
    issued = app.log_in()
    assert issued.subject == "7"
    assert app.is_live(issued)
    assert app.issuer.refresh(issued.refresh_token.reveal()).subject == "7"
    assert app.issuer.load_user(issued.subject) == Customer(7, ADA)
    for identifier, password in ((ADA, OTHER), ("bob@example.com", PASSWORD)):
        with pytest.raises(LoginFailed):
            app.issuer.login(identifier, password)


def test_a_login_upgrades_the_hash_in_the_table_and_ends_nothing(app: Application) -> None:
    digest = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 1000).hex()
    app.table.run("update customers set password = ?", f"pbkdf2:sha256:1000$salt${digest}")
    first = app.log_in()
    upgraded = app.table.load(7)
    assert upgraded is not None
    assert str(upgraded.password_hash).startswith("$argon2id$v=19$m=19456")
    second = app.log_in()
    assert app.is_live(first)
    assert app.is_live(second)
    assert app.table.load(7) == upgraded


def test_a_password_change_is_stored_in_the_table_and_ends_the_other_sessions(app: Application) -> None:
    kept, other = app.log_in(), app.log_in()
    changed = app.issuer.change_password(kept.sid, PASSWORD, OTHER, deliver="both")
    assert app.is_live(changed)
    assert not app.is_live(other)
    with pytest.raises(Refusal):
        app.issuer.refresh(other.refresh_token.reveal())
    with pytest.raises(LoginFailed):
        app.log_in()
    assert app.is_live(app.log_in(OTHER))
    assert app.is_live(changed)


@pytest.mark.parametrize(
    "statement",
    [
        f"update customers set password = '{hash_password(OTHER)}'",
        "update customers set active = 0",
        "delete from customers",
        "update customers set password = null",
    ],
)
def test_a_change_by_the_application_ends_sessions_and_refresh_tokens(app: Application, statement: str) -> None:
    issued, token_only = app.log_in(), app.log_in()
    app.table.run(statement)
    with pytest.raises(TokenRevoked):
        app.issuer.refresh(token_only.refresh_token.reveal())
    assert not app.is_live(issued)
    assert app.issuer.introspect(issued.access_token.reveal()) == {"active": False}
    with pytest.raises(LoginFailed):
        app.log_in()


def test_an_account_that_the_application_has_changed_is_compared_when_it_says_so(app: Application) -> None:
    issued = app.log_in()
    app.issuer.check_account(issued.subject)
    assert [each.sid for each in app.issuer.sessions(issued.subject)] == [issued.sid]
    app.table.run("update customers set password = ?", hash_password(OTHER))
    app.issuer.check_account(issued.subject)
    assert app.issuer.sessions(issued.subject) == []
    for stranger in ("8", "x"):
        app.issuer.check_account(Subject(stranger))
        assert app.issuer.parts.sync_store.accounts.load(Subject(stranger)) is None


def test_an_upgrade_that_the_application_announces_ends_nothing(app: Application) -> None:
    issued, upgraded = app.log_in(), hash_password(PASSWORD)
    app.issuer.parts.own_accounts.announce_upgrade(issued.subject, upgraded)
    assert app.is_live(issued)
    app.table.run("update customers set password = ?", upgraded)
    assert app.is_live(issued)
    app.table.run("update customers set password = ?", hash_password(OTHER))
    app.issuer.parts.own_accounts.announce_upgrade(issued.subject, hash_password(PASSWORD))
    assert not app.is_live(issued)


def test_an_account_that_is_active_again_gets_no_session_back(app: Application) -> None:
    issued = app.log_in()
    app.table.run("update customers set active = 0")
    assert not app.is_live(issued)
    app.table.run("update customers set active = 1")
    assert not app.is_live(issued)
    assert app.is_live(app.log_in())


def test_a_reused_key_inherits_no_session(app: Application) -> None:
    issued = app.log_in()
    app.table.run("delete from customers")
    app.table.run("insert into customers (id, email, password) values (7, 'eve@example.com', ?)", hash_password(OTHER))
    assert not app.is_live(issued)
    with pytest.raises(Refusal):
        app.issuer.refresh(issued.refresh_token.reveal())


def test_a_customer_disabled_at_the_issuer_is_refused_whatever_the_table_says(app: Application) -> None:
    issued = app.log_in()
    app.issuer.set_disabled(issued.subject, True)
    assert not app.is_live(issued)
    with pytest.raises(LoginFailed):
        app.log_in()
    app.issuer.set_disabled(issued.subject, False)
    assert not app.is_live(issued)
    assert app.is_live(app.log_in())


def test_sign_up_creates_a_row_and_logs_in(app: Application) -> None:
    issued = app.issuer.signup("bob@example.com", OTHER, deliver="both")
    assert issued.subject == "8"
    assert app.issuer.verify(issued.session_token.reveal()).subject == "8"
    with pytest.raises(AccountExists):
        app.issuer.signup("bob@example.com", OTHER)


def test_a_step_up_compares_with_the_table(app: Application) -> None:
    issued = app.log_in()
    assert app.issuer.step_up(issued.sid, PASSWORD).subject == "7"
    with pytest.raises(LoginFailed):
        app.issuer.step_up(issued.sid, OTHER)


@pytest.mark.parametrize("accounts", [TableAccounts, AsyncTableAccounts])
def test_an_asynchronous_issuer_takes_both_kinds_of_accounts(accounts: Callable[[Path], Any], tmp_path: Path) -> None:
    async def main() -> None:
        TableAccounts(tmp_path / "shop.db").run(
            "insert into customers (id, email, password) values (7, ?, ?)", ADA, hash_password(PASSWORD)
        )
        own = accounts(tmp_path / "shop.db")
        async with AsyncIssuer.from_env(
            accounts=own, data_dir=str(tmp_path), store="memory:", algorithm="ES256"
        ) as issuer:
            issued = await issuer.login(ADA, PASSWORD, deliver="both")
            assert issued.session_token is not None
            assert (await issuer.verify(issued.session_token.reveal())).subject == "7"
            await issuer.change_password(issued.sid, PASSWORD, OTHER)
            assert (await issuer.signup("bob@example.com", PASSWORD)).subject == "8"
            assert (await issuer.load_user(issued.subject)) is not None
            await issuer.check_account(issued.subject)
            with pytest.raises(LoginFailed):
                await issuer.login(ADA, PASSWORD)

    asyncio.run(main())


def test_coroutine_functions_are_refused_by_a_synchronous_issuer(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="use AsyncIssuer"):
        Issuer.from_env(
            accounts=AsyncTableAccounts(tmp_path / "shop.db"),
            data_dir=str(tmp_path),
            store="memory:",
            algorithm="ES256",
        )


def test_a_running_issuer_compares_within_a_minute_of_use(tmp_path: Path) -> None:
    table = TableAccounts(tmp_path / "shop.db")
    table.run("insert into customers (id, email, password) values (7, ?, ?)", ADA, hash_password(PASSWORD))
    clock, reads = MovableClock(), list[int]()
    load = table.load
    table.load = lambda subject: reads.append(subject) or load(subject)  # type: ignore[method-assign]
    with Issuer.from_env(
        accounts=table, data_dir=str(tmp_path), store="memory:", background=False, algorithm="ES256"
    ) as issuer:
        cache = issuer.parts.session_cache
        checked = cache._checked  # type: ignore[attr-defined]
        checked._monotonic = clock
        issued = issuer.login(ADA, PASSWORD, deliver="both")
        assert issued.session_token is not None
        assert issued.access_token is not None
        tokens = [issued.session_token.reveal(), issued.access_token.reveal()]

        def verify() -> None:
            page = issuer.parts.sync_store.log.snapshot()
            cache.reset(page) if cache.cursor() is None else None
            cache.mark_complete(issuer.parts.monotonic())
            for token in tokens:
                issuer.verify(token)

        verify()
        before = len(reads)
        for _ in range(20):
            verify()
        assert len(reads) == before
        table.run("update customers set active = 0")
        clock.seconds += ACCOUNT_CHECK_SECONDS + 1
        for token in tokens:
            cache.mark_complete(issuer.parts.monotonic())
            with pytest.raises(TokenRevoked):
                issuer.verify(token)
