"""Reload of the session of an open connection: a session may be used, or kept by a password change, since it began."""

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import SessionEvent, require_transition
from keyturn.core.principal import Principal
from keyturn.core.types import Instant, SessionId
from keyturn.errors import TokenRevoked
from keyturn.flows.effects import Flow
from keyturn.flows.issue import session_principal
from keyturn.flows.load_session import load_session


def reload_principal(sid: SessionId, now: Instant, config: IssuerConfig) -> Flow[Principal]:
    """Return the principal of a session that is live, as it is stored now. An open connection is no use of it.

    Raises ``TokenRevoked``, ``SessionEnded``; ``StoreRestored``, ``ClockUncertain`` or ``StoreUnavailable`` while its
    state is unknown.
    """
    loaded = yield from load_session(sid)
    if loaded is None:
        raise TokenRevoked("the session does not exist")
    require_transition(loaded, SessionEvent.TOUCH, now, config.profile.session)
    return session_principal(loaded.session, config)
