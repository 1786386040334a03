"""Keys of an application that are given to another person, who inherits nothing of the former one."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from flows.own_accounts import DictAccounts, own_ports, own_realm
from interleavings.harness import NEW, OLD, T0, attempt
from keyturn.accounts import Login
from keyturn.core.account import Account
from keyturn.core.types import Subject
from keyturn.errors import Forbidden, LoginFailed, StoreUnavailable, TokenRevoked
from keyturn.flows.accounts import set_admin, set_disabled
from keyturn.flows.create_session import SessionRequest
from keyturn.flows.drive import drive
from keyturn.flows.login import login
from keyturn.flows.open_session import open_session
from keyturn.flows.signup import signup
from keyturn.flows.verify import verify_session

ADA = attempt(OLD).identifier
ONE = Subject("1")
FIRST, SECOND = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


class Shop:
    """An application whose only key is ``1``."""

    def __init__(self, own: DictAccounts | None = None) -> None:
        self.own = own or DictAccounts()
        self.realm, self.ports = own_realm(self.own), own_ports(self.own)

    def run(self, flow: Any) -> Any:
        return drive(flow, self.ports)

    def put(self, password_hash: str | None = "new:" + OLD, **fields: Any) -> None:
        """Write the row as an UPDATE or INSERT of the application does."""
        self.own.rows["1"] = Login(**{"subject": "1", "password_hash": password_hash, "identifier": ADA, **fields})

    def open(self) -> Any:
        return self.run(open_session(ONE, SessionRequest(deliver="both"), T0, self.realm))

    def sign_up(self, password: str = OLD) -> Any:
        return self.run(signup(attempt(password), T0, self.realm))

    def flag(self, change: Callable[..., Any]) -> None:
        self.run(change(ONE, True, T0, self.realm))

    def account(self) -> Account:
        found = self.ports.accounts.load(ONE)
        assert found
        return found

    def is_live(self, issued: Any) -> bool:
        try:
            self.run(verify_session(issued.session_token.reveal(), T0, self.realm))
        except TokenRevoked:
            return False
        return True


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_sign_up_with_a_reused_key_inherits_neither_the_right_of_an_administrator_nor_a_ban(
    shop: Shop, is_seen: bool
) -> None:
    former = shop.sign_up()
    shop.flag(set_admin)
    shop.flag(set_disabled)
    assert shop.account().is_admin
    shop.own.rows.clear()
    if is_seen:
        assert shop.ports.accounts.load(ONE) is None
    issued = shop.sign_up(NEW)
    assert shop.is_live(issued)
    assert not shop.is_live(former)
    assert not shop.account().is_admin
    assert shop.run(login(attempt(NEW), T0, shop.realm)).subject == ONE


def test_a_mark_that_changes_while_a_reused_key_is_reset_is_read_again() -> None:
    class Raced(DictAccounts):
        """The former account's ban is stored again between the two reads of a sign-up."""

        has_raced = True

        def load(self, subject: str) -> Login | None:
            if not self.has_raced:
                self.has_raced = True
                shop.flag(set_disabled)
            return super().load(subject)

        def create(self, identifier: str, password_hash: str) -> Any:
            self.has_raced = False
            return super().create(identifier, password_hash)

    own = Raced()
    shop = Shop(own)
    shop.put()
    shop.open()
    own.rows.clear()
    assert shop.is_live(shop.sign_up(NEW))
    assert own.has_raced


@pytest.mark.parametrize("password_hash", ["new:" + OLD, None])
def test_another_account_by_its_creation_inherits_nothing(shop: Shop, password_hash: str | None) -> None:
    shop.put(password_hash, created_at=FIRST)
    issued = shop.open()
    shop.flag(set_admin)
    shop.put(password_hash, created_at=SECOND)
    assert not shop.is_live(issued)
    assert not shop.account().is_admin
    shop.flag(set_disabled)
    with pytest.raises(Forbidden):
        shop.open()
    shop.put(password_hash, created_at=FIRST)
    assert shop.is_live(shop.open())


def test_a_renamed_account_of_the_same_creation_keeps_its_sessions(shop: Shop) -> None:
    for password_hash in ("new:" + OLD, None):
        shop.put(password_hash, created_at=FIRST)
        issued = shop.open()
        there = FIRST.astimezone(timezone(timedelta(hours=2)))
        shop.put(password_hash, created_at=there, identifier="countess")
        assert shop.is_live(issued)


def test_a_new_password_keeps_an_administrator_of_the_same_creation_only(shop: Shop) -> None:
    for created_at in (7, date(2026, 1, 1), None):
        shop.put("new:" + OLD, created_at=created_at)
        shop.open()
        shop.flag(set_admin)
        shop.put("new:" + NEW, created_at=created_at)
        assert shop.account().is_admin == (created_at is not None)
        shop.own.rows.clear()
        assert shop.ports.accounts.load(ONE) is None
        shop.put("new:" + OLD, created_at=created_at)
        assert not shop.account().is_admin


def test_an_account_without_a_password_and_creation_is_told_by_its_identifier(shop: Shop) -> None:
    shop.put(None)
    issued = shop.open()
    assert shop.is_live(issued)
    shop.flag(set_admin)
    shop.put(None, identifier="bob")
    assert not shop.is_live(issued)
    assert not shop.account().is_admin
    shop.flag(set_disabled)
    shop.put(None, identifier="carol")
    assert shop.account().disabled  # a rename must not lift a ban


def test_a_mark_of_an_earlier_version_learns_the_creation_and_ends_nothing(shop: Shop) -> None:
    shop.put()
    issued = shop.open()
    shop.put(created_at=FIRST)
    assert shop.is_live(issued)
    assert shop.is_live(issued)
    shop.put(created_at=SECOND)
    assert not shop.is_live(issued)


def test_a_creation_of_another_type_is_a_refusal(shop: Shop) -> None:
    shop.put(created_at=[1])
    with pytest.raises(StoreUnavailable, match="created_at"):
        shop.open()


def test_a_row_that_is_deleted_during_its_sign_up_gets_no_session() -> None:
    class Deleting(DictAccounts):
        def create(self, identifier: str, password_hash: str) -> Any:
            subject = super().create(identifier, password_hash)
            self.rows.clear()
            return subject

    with pytest.raises(LoginFailed):
        Shop(Deleting()).sign_up()
