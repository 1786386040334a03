"""Change the password: the other sessions end in the very transaction that stores the new hash."""

from dataclasses import replace as changed

from keyturn.core.account import Account
from keyturn.core.audit import Audit
from keyturn.core.instant import Instant, SessionId, Subject
from keyturn.core.policy import Deliver
from keyturn.core.realm import Realm
from keyturn.errors import LoginFailed
from keyturn.flows import asks
from keyturn.flows.issue import Issued, issue
from keyturn.flows.revoke import voiding
from keyturn.flows.step import Flow
from keyturn.flows.step_up import live_session, prove_password, renewed


def change_password(
    sid: SessionId, current: str, new: str, deliver: Deliver | None, now: Instant, realm: Realm
) -> Flow[Issued]:
    """Replace the password; session ``sid`` stays, renewed, and every other one ends (OWASP ASVS 5.0 7.4.3).

    Raises ``LoginFailed`` when ``current`` is wrong, ``PasswordRejected``, ``Throttled``, ``Overloaded``,
    ``TokenRevoked``, ``SessionEnded``, ``CredentialsNotOffered``.
    """
    chosen = realm.delivery(deliver)
    found = yield from live_session(sid, now, realm)
    before = yield from _account(found.session.subject)
    yield from prove_password(found.session, current, now, realm)
    yield from asks.judge_password(new, before.identifier)
    replaced = changed(before, password_hash=(yield from asks.hash_password(new)), version=before.version + 1)
    entry = yield from asks.replace_account_and_void(replaced, voiding(before.subject, now, realm, keep=sid))
    if entry is None:
        # Another change won since the password was proven: what was proven is no longer the password.
        raise LoginFailed("the account changed meanwhile")
    yield from asks.note(entry)
    yield from asks.audit(Audit.PASSWORD_CHANGED, now, before.subject, sid)
    return (yield from issue((yield from renewed(sid, now, realm)), chosen, now, realm))


def _account(subject: Subject) -> Flow[Account]:
    account = yield from asks.account_of(subject)
    if account is None:
        raise LoginFailed("the account is gone")
    return account
