"""Scopes and claims of a session, decided by the application at login, refresh and step-up."""

from keyturn.core.grants import GrantRequest, apply_grant, asked_scope
from keyturn.core.session import Session
from keyturn.flows.effects import Flow, call
from keyturn.ports import Grants


def decide_grant(session: Session, account_scope: str | None = None) -> Flow[Session]:
    """Return the session with what the application grants now; the same object if that has not changed.

    ``account_scope``: scopes stored with the account, if it was read. Raises ``GrantsUnavailable``: call this before
    any write.
    """
    request = GrantRequest(session.subject, session.client, asked_scope(session), session.amr, account_scope)
    grant = yield from call(Grants.decide, request)
    return session if grant is None else apply_grant(session, grant)
