"""Opening of a session for a subject that the application has authenticated: single sign-on, an import, a test.

No endpoint calls it: over HTTP a session is opened by a proof of the subject's identity only.
"""

from keyturn.core.account import Account
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.session import RevocationFloor
from keyturn.core.types import Instant, Subject
from keyturn.errors import Forbidden, NotFound
from keyturn.flows.create_session import SessionRequest, check_attempt, create_session
from keyturn.flows.effects import Flow, call
from keyturn.flows.end_previous_login import revoke_previous_sessions
from keyturn.flows.issue import IssuedCredentials, issue
from keyturn.ports import AccountStore, SessionStore

DISABLED = "This account is disabled; only the operators of this service can enable it."


def open_session(
    subject: Subject, request: SessionRequest, now: Instant, config: IssuerConfig
) -> Flow[IssuedCredentials]:
    """Create a session of ``subject`` and issue its credentials, as a login does, without a password.

    Raises ``NotFound`` without an account, ``Forbidden`` for a disabled one; ``CredentialsNotOffered``,
    ``InvalidScope``, ``InvalidTarget``, ``PayloadRefused``, ``GrantsUnavailable``, ``TooManySessions``.
    """
    config.require_clocks()
    deliver = check_attempt(request, config)
    account, floor = yield from _load_account(subject, request.client.client_id)
    if account.disabled:
        raise Forbidden(f"the account of {subject} is disabled", hint=DISABLED)
    session = yield from create_session(subject, floor, request, now, config, account_scope=account.scope)
    yield from revoke_previous_sessions(request.replaces, session.sid, now, config)
    return (yield from issue(session, deliver, now, config))


def _load_account(subject: Subject, client_id: str) -> Flow[tuple[Account, RevocationFloor]]:
    # As of the same moment, as at a login: a change of the account raises the generation above an earlier floor. So
    # does the first read of an account whose password the application has changed by itself.
    account = yield from call(AccountStore.load, subject)
    while account is not None:
        floor = yield from call(SessionStore.revocation_floor, subject, client_id)
        latest = yield from call(AccountStore.load, subject)
        if latest == account:
            return account, floor
        account = latest
    raise NotFound(f"no account has the subject {subject}", hint="No account has this subject.")
