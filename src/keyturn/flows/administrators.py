"""The right to administer Keyturn over HTTP."""

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.principal import Principal
from keyturn.core.types import Instant
from keyturn.errors import Forbidden
from keyturn.flows.effects import Flow, call
from keyturn.flows.step_up import load_live_session
from keyturn.ports import AccountStore

ADMIN_AUTH_SECONDS = 15 * 60
"""Oldest authentication that still administers: a page left open at a desk does not."""

_NOT_ADMIN = "Only an administrator of Keyturn may do this; operators appoint one with `keyturn users admin`."


def require_administrator(principal: Principal, now: Instant, config: IssuerConfig) -> Flow[None]:
    """Check that ``principal`` may administer Keyturn, in the store: a right that was taken away counts at once.

    Raises ``Forbidden``, ``StepUpRequired`` if the authentication is too old; ``TokenRevoked`` or ``SessionEnded``
    unless the session is live.
    """
    yield from load_live_session(principal.sid, now, config)
    account = yield from call(AccountStore.load, principal.subject)
    if account is None or account.disabled or not account.is_admin:
        raise Forbidden(f"{principal.subject} is no administrator", hint=_NOT_ADMIN)
    principal.require_recent_auth(now, ADMIN_AUTH_SECONDS)
