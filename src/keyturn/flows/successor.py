"""Record that a client has received the newest refresh token: a credential issued with it is presented."""

from contextlib import suppress

from keyturn.core.claims import AccessClaims
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import record_access
from keyturn.core.repeats import has_unrecorded_use
from keyturn.core.session import LoadedSession
from keyturn.core.types import SessionId
from keyturn.errors import StoreUnavailable
from keyturn.flows.effects import Flow, call
from keyturn.ports import SessionStore
from keyturn.ports.caches import SessionCache


def record_access_use(claims: AccessClaims, config: IssuerConfig) -> Flow[None]:
    """Record the use of a verified access token, if the policy asks for it.

    Costs one read of the store per access token and process, and one write per rotation. While the store is
    unavailable nothing is recorded: the access token is valid all the same, and its next use is recorded.
    """
    if not config.profile.session.lost_response_seconds and claims.rot is None:
        return
    cached = yield from call(SessionCache.get, claims.sid)
    if cached is None or has_unrecorded_use(cached.session, claims.rot):
        with suppress(StoreUnavailable):
            yield from record_use(claims.sid, claims.rot)


def record_use(sid: SessionId, rotation: int | None = None) -> Flow[None]:
    """Record the use of a credential issued with refresh token ``rotation``; None if unknown, the newest."""
    while True:
        loaded = yield from call(SessionStore.load, sid)
        if loaded is None:
            return
        session = record_access(loaded.session, rotation)
        if session is loaded.session or (yield from call(SessionStore.replace, session)) is not None:
            yield from call(SessionCache.put, LoadedSession(session, loaded.floor))
            return
