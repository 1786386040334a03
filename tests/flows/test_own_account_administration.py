"""Administration of accounts of an application: what is Keyturn's, and what only the application can do."""

from dataclasses import replace

import pytest

from flows.own_accounts import own_ports
from flows.test_own_accounts import Application
from interleavings.harness import T0, make_test_ports, realm
from keyturn.core.session import ClientInfo
from keyturn.core.types import Subject
from keyturn.errors import Forbidden, InvalidMember, NotFound, TokenRevoked
from keyturn.flows.accounts import find_account, list_accounts, set_admin, set_disabled, set_scope
from keyturn.flows.create_session import SessionRequest
from keyturn.flows.drive import drive
from keyturn.flows.open_session import open_session
from keyturn.stores.memory import MemoryStore

ONE = Subject("1")
DESK = SessionRequest(deliver="cookie", client=ClientInfo())


@pytest.fixture
def app() -> Application:
    app = Application()
    app.own.store("1", identifier="ada")
    return app


def test_an_account_is_found_by_the_user_name_of_the_application(app: Application) -> None:
    assert app.run(find_account(None, " ADA ", app.realm)).subject == "1"
    for missing in (find_account(None, "eve", app.realm), find_account(Subject("2"), None, app.realm)):
        with pytest.raises(NotFound):
            app.run(missing)


def test_accounts_are_listed_by_the_application_only(app: Application) -> None:
    with pytest.raises(NotFound) as refused:
        app.run(list_accounts(Subject(""), 10))
    assert "list them there" in refused.value.hint


def test_scopes_are_granted_by_the_application_only(app: Application) -> None:
    with pytest.raises(Forbidden) as refused:
        app.run(set_scope(ONE, "read", T0, app.realm))
    assert "the application's" in refused.value.hint
    # A command that knows only Keyturn's own record of the account must not store what nobody reads.
    store = MemoryStore()
    own_ports(app.own, store).accounts.load("1")
    with pytest.raises(Forbidden):
        drive(set_scope(ONE, "read", T0, realm()), make_test_ports(store))


def test_an_administrator_of_keyturn_is_a_mark_of_keyturn(app: Application) -> None:
    app.own.store("1", created_at=1)  # without it, another hash may be another person's
    app.run(set_admin(ONE, True, T0, app.realm))
    assert app.ports.accounts.load(ONE).is_admin
    app.own.store("1", password_hash="new:other")
    assert app.ports.accounts.load(ONE).is_admin
    app.run(set_admin(ONE, False, T0, app.realm))
    assert not app.ports.accounts.load(ONE).is_admin


def test_an_inactive_account_that_gets_a_right_is_not_disabled_by_it(app: Application) -> None:
    app.own.store("1", active=False, created_at=1)
    app.run(set_admin(ONE, True, T0, app.realm))
    app.own.store("1", active=True)
    account = app.ports.accounts.load(ONE)
    assert (account.is_admin, account.disabled) == (True, False)


def test_an_account_that_keyturn_disabled_stays_so_when_it_is_active_again(app: Application) -> None:
    app.run(set_disabled(ONE, True, T0, app.realm))
    app.own.store("1", active=False)
    app.run(set_admin(ONE, True, T0, app.realm))
    app.own.store("1", active=True)
    assert app.ports.accounts.load(ONE).disabled
    with pytest.raises(Forbidden):
        app.run(open_session(ONE, DESK, T0, app.realm))
    app.run(set_disabled(ONE, False, T0, app.realm))
    assert app.run(open_session(ONE, DESK, T0, app.realm)).subject == "1"


def test_a_session_that_is_opened_replaces_the_earlier_one(app: Application) -> None:
    earlier, other = (app.run(open_session(ONE, DESK, T0, app.realm)) for _ in range(2))
    later = app.run(open_session(ONE, replace(DESK, replaces=(earlier.session_token.reveal(),)), T0, app.realm))
    assert app.verify(later).subject == app.verify(other).subject == "1"
    with pytest.raises(TokenRevoked):
        app.verify(earlier)


def test_a_session_opened_after_the_application_has_changed_the_password_is_live(app: Application) -> None:
    earlier = app.run(open_session(ONE, DESK, T0, app.realm))
    app.own.store("1", password_hash="$another$hash")
    issued = app.run(open_session(ONE, DESK, T0, app.realm))
    assert app.verify(issued).subject == "1"
    with pytest.raises(TokenRevoked):
        app.verify(earlier)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_of_accounts_is_bounded(app: Application, limit: int) -> None:
    with pytest.raises(InvalidMember):
        app.run(list_accounts(Subject(""), limit))


def test_a_disabled_account_is_refused_by_every_use(app: Application) -> None:
    issued = app.run(open_session(ONE, DESK, T0, app.realm))
    app.run(set_disabled(ONE, True, T0, app.realm))
    with pytest.raises(TokenRevoked):
        app.verify(issued)
    with pytest.raises(Forbidden):
        app.run(open_session(ONE, DESK, T0, app.realm))
