"""Flows over accounts of an application, and accounts that raise, block, or answer nonsense."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from flows.own_accounts import DictAccounts, own_ports, own_realm
from interleavings.harness import NEW, OLD, T0, attempt
from keyturn.accounts import AccountFunctions, Login
from keyturn.accounts.open import configure_accounts, sample_hashes
from keyturn.core.account import Account
from keyturn.core.types import EPOCH, Subject
from keyturn.errors import (
    AccountExists,
    InvalidMember,
    LoginFailed,
    NotFound,
    StoreUnavailable,
    TokenRevoked,
)
from keyturn.flows.accounts import set_disabled
from keyturn.flows.drive import drive
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.signup import signup
from keyturn.flows.verify import verify_session

ADA = attempt(OLD)


class Application:
    """An application with one account, ``1``, and its flows."""

    def __init__(self, own: Any = None) -> None:
        self.own = own or DictAccounts()
        self.own.rows["1"] = Login(subject="1", password_hash="new:" + OLD, identifier=ADA.identifier)
        self.realm, self.ports = own_realm(self.own), own_ports(self.own)

    def run(self, flow: Any) -> Any:
        return drive(flow, self.ports)

    def log_in(self, password: str = OLD) -> Any:
        return self.run(login(attempt(password), T0, self.realm))

    def verify(self, issued: Any) -> Any:
        return self.run(verify_session(issued.session_token.reveal(), T0, self.realm))


@pytest.fixture
def app() -> Application:
    return Application()


def test_a_name_is_normalised_as_the_application_says(app: Application) -> None:
    app.own.store("1", identifier="ada")
    named = type(ADA)(" ADA ", OLD)
    assert app.run(login(named, T0, app.realm)).subject == "1"


@pytest.mark.parametrize("normalise", [lambda _: None, lambda _: "", lambda _: 1 / 0])
def test_a_bad_normalisation_is_a_refusal(normalise: Callable[[str], Any]) -> None:
    own = DictAccounts()
    functions = AccountFunctions(find=own.find, load=own.load, set_password=own.set_password, normalise=normalise)
    config = configure_accounts(own_realm(own), functions)
    with pytest.raises(InvalidMember):
        config.normalise_identifier("ada")


@pytest.mark.parametrize("subject", [8, "x" * 255, UUID(int=5)])
def test_sign_up_takes_the_subject_that_the_application_chose(app: Application, subject: Any) -> None:
    app.own.rows.clear()
    app.own.subject_of_next = subject
    assert app.run(signup(attempt(OLD), T0, app.realm)).subject == str(subject)
    with pytest.raises(AccountExists):
        app.run(signup(attempt(OLD), T0, app.realm))


def test_sign_up_is_refused_without_create(app: Application) -> None:
    own = app.own
    functions = AccountFunctions(find=own.find, load=own.load, set_password=own.set_password)
    ports = own_ports(functions)
    with pytest.raises(NotFound):
        drive(signup(attempt(OLD), T0, app.realm), ports)


@pytest.mark.parametrize("changes", [{"active": False}, {"password_hash": "new:other"}, None])
def test_a_new_account_that_is_changed_at_once_gets_no_session(app: Application, changes: dict[str, Any]) -> None:
    create = app.own.create

    def create_and_change(identifier: str, password_hash: str) -> Any:
        subject = create(identifier, password_hash)
        if changes is None:
            app.own.rows.clear()
        else:
            app.own.store("1", **changes)
        return subject

    app.own.rows.clear()
    app.own.create = create_and_change
    with pytest.raises(LoginFailed):
        app.run(signup(attempt(OLD), T0, app.realm))


def test_a_reused_subject_inherits_no_session_and_no_token(app: Application) -> None:
    issued = app.log_in()
    app.own.rows.clear()
    app.run(signup(attempt(NEW), T0, app.realm))
    with pytest.raises(TokenRevoked):
        app.verify(issued)


@pytest.mark.parametrize("subject", [True, 1.5, None, "", "x" * 256, "a\nb", b"1", ["1"]])
def test_a_subject_of_another_type_is_a_refusal(app: Application, subject: Any) -> None:
    app.own.store("1", subject=subject)
    with pytest.raises(StoreUnavailable):
        app.log_in()


def test_another_spelling_of_a_key_names_no_account() -> None:
    own = DictAccounts()
    own.subject_type = int  # type: ignore[attr-defined]
    own.rows[7] = Login(subject=7, password_hash="")  # type: ignore[index]
    ports = own_ports(own)
    assert ports.accounts.load("7").subject == "7"
    for text in ("007", " 7", "7.0", "seven", "\u0667"):
        assert ports.accounts.load(text) is None


@pytest.mark.parametrize(
    "answer",
    [
        7,
        {"subject": "1"},
        (),
        Login(subject="1", password_hash=b"hash"),  # type: ignore[arg-type]
        Login(subject="1", password_hash="x" * 5000),
        Login(subject="1", password_hash="", active="yes"),  # type: ignore[arg-type]
        Login(subject="1", password_hash="", scope=None),  # type: ignore[arg-type]
        Login(subject="1", password_hash="", identifier=None),  # type: ignore[arg-type]
    ],
)
def test_an_answer_that_is_no_login_is_a_refusal_and_counts_no_attempt(app: Application, answer: Any) -> None:
    app.own.find = lambda _: answer
    for _ in range(200):
        with pytest.raises(StoreUnavailable):
            app.log_in()
    del app.own.find
    assert app.log_in().subject == "1"


def test_accounts_that_raise_are_a_refusal_and_end_nothing(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    issued = app.log_in()

    def fail(*_: object) -> Any:
        raise RuntimeError("connection to db as user 'shop' with password 'hunter2' failed")

    app.own.load = fail
    with pytest.raises(StoreUnavailable):
        app.log_in()
    assert "accounts.fail raised RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text
    del app.own.load
    assert app.verify(issued).subject == "1"


def test_set_password_must_answer_a_bool(app: Application) -> None:
    issued = app.log_in()
    app.own.set_password = lambda *_: None
    with pytest.raises(StoreUnavailable):
        app.run(change_password(issued.sid, OLD, NEW, None, T0, app.realm))
    del app.own.set_password
    assert app.log_in().subject == "1"
    with pytest.raises(LoginFailed):
        app.log_in(NEW)


def test_a_password_that_the_application_changes_meanwhile_wins(app: Application) -> None:
    issued, set_password = app.log_in(), app.own.set_password

    def lose(*arguments: Any) -> bool:
        app.own.store("1", password_hash="new:another password")
        return bool(set_password(*arguments))

    app.own.set_password = lose
    with pytest.raises((TokenRevoked, LoginFailed)):
        app.run(change_password(issued.sid, OLD, NEW, None, T0, app.realm))
    assert app.log_in("another password").subject == "1"


@pytest.mark.parametrize("password_hash", ["", None])
def test_an_account_without_a_password_logs_in_with_none(app: Application, password_hash: str | None) -> None:
    app.own.store("1", password_hash=password_hash)
    for password in (OLD, ""):
        with pytest.raises(LoginFailed):
            app.log_in(password)


def test_disabling_is_a_mark_of_keyturn(app: Application) -> None:
    issued = app.log_in()
    app.run(set_disabled(Subject("1"), True, T0, app.realm))
    assert app.own.rows["1"].active
    with pytest.raises(TokenRevoked):
        app.verify(issued)
    with pytest.raises(LoginFailed):
        app.log_in()


def test_writes_of_an_account_that_has_changed_store_nothing(app: Application) -> None:
    app.log_in()
    account = app.ports.accounts.load("1")
    stale = Account(Subject("1"), account.identifier, "new:" + NEW, EPOCH, version=account.version + 5)
    unknown = Account(Subject("2"), "eve", "new:" + NEW, EPOCH, version=1)
    for each in (stale, unknown):
        assert app.ports.accounts.replace(each) is False
        assert app.ports.accounts.replace_and_revoke(each, None) is None
    assert app.own.rows["1"].password_hash == "new:" + OLD


def test_samples_are_text_and_bounded(app: Application) -> None:
    app.own.password_hashes = lambda limit: ["a", 7, "b", "c"]
    assert sample_hashes(app.own, 2) == ["a", "b"]
    assert app.ports.accounts.password_hashes(2) == ["a", "b"]
    app.own.password_hashes = lambda limit: 1 / 0
    assert sample_hashes(app.own, 2) == ()
    del app.own.password_hashes
    assert app.ports.accounts.password_hashes(2) == []


def test_an_account_whose_change_failed_after_it_was_stored_can_be_changed_and_disabled(app: Application) -> None:
    """The process of the change failed before it confirmed the new hash in the mark."""
    store = app.own.set_password

    def store_and_fail(subject: str, new: str, expected: str) -> bool:
        assert store(subject, new, expected)
        raise ConnectionError("the connection was lost after the commit")

    app.own.set_password = store_and_fail
    first = app.log_in()
    with pytest.raises(StoreUnavailable):
        app.run(change_password(first.sid, OLD, NEW, "both", T0, app.realm))
    app.own.set_password = store
    second = app.log_in(NEW)
    app.run(change_password(second.sid, NEW, OLD, "both", T0, app.realm))
    app.run(set_disabled(Subject("1"), True, T0, app.realm))
    with pytest.raises(LoginFailed):
        app.log_in()
