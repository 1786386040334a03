"""Accounts of an application: every schedule of changes, logins and uses, with failures at every step.

Nothing that another password than the present one has opened survives: whether Keyturn or the application stores the
new one, and whether an old hash is upgraded at the same time.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from effort import effort
from interleavings.explorer import Report
from interleavings.own_accounts import LARGE, SCENES, Table, explore
from interleavings.scenarios import Scenario
from interleavings.split_stores import DATABASES
from keyturn.accounts import store as account_store
from keyturn.accounts.mark import AccountMark, decode_mark
from keyturn.accounts.sessions import OwnSessionStore
from keyturn.accounts.store import OwnAccountStore
from keyturn.core.account import Account

BY_NAME = {each.name: each for each in SCENES}
TEST = "tests/interleavings/test_own_accounts.py"
STANDS_IN = f"{TEST}::test_every_schedule_over_own_accounts_is_explained_by_some_order[login that rehashes / refresh]"


def named(scenarios: list[Scenario], *long: str) -> list[Any]:
    """Return the names as parameters. ``long``: those that take longer than all others."""
    mark = pytest.mark.long(stands_in=STANDS_IN)
    return [pytest.param(each.name, marks=(mark,) if each.name in long else (), id=each.name) for each in scenarios]


@pytest.mark.parametrize("name", named(SCENES, LARGE[-1]))
def test_every_schedule_over_own_accounts_is_explained_by_some_order(
    name: str, reported: Callable[[Report], None]
) -> None:
    report = explore(replace(BY_NAME[name], faults=effort(0, 1) if name in LARGE else 1))
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("name", named([each for each in SCENES if each.name != LARGE[-1]], *LARGE))
@pytest.mark.parametrize("database", DATABASES)
def test_every_schedule_over_own_accounts_and_two_stores_is_explained_by_some_order(
    database: str, name: str, reported: Callable[[Report], None]
) -> None:
    report = explore(replace(BY_NAME[name], faults=0 if name in LARGE else effort(0, 1)), database)
    reported(report)
    assert report.violations == []


# --- planted faults ---------------------------------------------------------------------------------------------------


def found(*names: str, faults: int = 0) -> list[bool]:
    """Return of each scene whether its search found a violation."""
    return [bool(explore(replace(BY_NAME[each], faults=faults)).violations) for each in names]


def test_a_session_that_is_loaded_without_its_account_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnSessionStore, "load", lambda self, sid: account_store.store_call(self._sessions.load, sid))
    assert found("write / verify", "write / refresh", "deactivate / refresh", "delete / verify") == [True] * 4


def test_another_password_that_ends_no_session_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def store_only(self: OwnAccountStore, record: Account) -> Any:
        return record if (yield from account_store.store_call(self._marks.replace, record)) else None

    monkeypatch.setattr(OwnAccountStore, "_end_sessions", store_only)
    assert found("write / verify", "save / refresh") == [True, True]


def test_an_announcement_that_a_use_of_the_old_password_does_not_take_back_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = OwnAccountStore._compare

    def compare_with_pending(self: OwnAccountStore, record: Any, subject: Any, login: Any) -> Any:
        if record is not None and decode_mark(record.password_hash).pending and login is not None:
            return record
        return (yield from real(self, record, subject, login))

    monkeypatch.setattr(OwnAccountStore, "_compare", compare_with_pending)
    assert found("change / login with the old password") == [True]


def test_a_change_that_ends_no_session_of_a_login_meanwhile_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def report_success(self: OwnAccountStore, confirmed: Account, increment: Any, kept: Any) -> Any:
        record = yield from account_store.store_call(self._marks.load, confirmed.subject)
        assert record is not None
        yield from account_store.store_call(self._marks.replace, replace(confirmed, version=record.version + 1))
        return account_store.Revocation(increment.kind, increment.subject, 0, increment.at, increment.expires_at)

    monkeypatch.setattr(OwnAccountStore, "_revoke_anew", report_success)
    assert found("change / login with the old password") == [True]


def test_an_upgrade_that_is_not_marked_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountMark, "add_alias", lambda self, digest, current: self)
    assert found("login that rehashes / refresh", "upgrade / refresh", "upgrade / verify") == [True] * 3


def test_a_change_whose_hash_is_stored_and_that_no_other_write_confirms_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that failed in a change left an account that could be neither changed nor disabled."""
    real = OwnAccountStore._load_both

    def leave_announced(self: OwnAccountStore, account: Account) -> Any:
        found = yield from real(self, account)
        return None if found is None or decode_mark(found[0].password_hash).pending else found

    monkeypatch.setattr(OwnAccountStore, "_load_both", leave_announced)
    with pytest.raises(RecursionError):
        found("change / disable")


def test_a_table_that_stores_a_password_whatever_the_old_hash_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def set_password(self: Table, subject: str, new: str, expected: str) -> bool:
        self.write_password(subject, new)
        return True

    monkeypatch.setattr(Table, "set_password", set_password)
    assert found("login that rehashes / write", "change / write") == [True, True]
