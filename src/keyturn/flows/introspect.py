"""Introspection of any credential against the store (RFC 7662). It changes no session, but records that it was seen."""

from contextlib import suppress

from keyturn.core.audience import check_own_audience
from keyturn.core.claims import AccessClaims, acr_for, check_issuer, check_times
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import SessionState, ends_at, session_state
from keyturn.core.repeats import is_unseen
from keyturn.core.sealed import CredentialKind, ParsedCredential, parse
from keyturn.core.session import LoadedSession, Session
from keyturn.core.types import Instant, SessionId
from keyturn.errors import ClockUncertain, StoreRestored, StoreUnavailable, TokenInvalid, Unauthenticated
from keyturn.flows.effects import Flow, call
from keyturn.flows.load_session import load_session, load_session_by_credential
from keyturn.flows.successor import record_access_use, record_use
from keyturn.flows.verify import is_access_valid
from keyturn.ports import Signer

INACTIVE: dict[str, object] = {"active": False}


def introspect(token: str, now: Instant, config: IssuerConfig) -> Flow[dict[str, object]]:
    """Return the RFC 7662 response for a session, refresh or access token; only ``active: false`` for an invalid one.

    Raises ``StoreUnavailable`` and ``ClockUncertain`` instead of returning "inactive", which would log out a
    legitimate caller.
    """
    try:
        return (yield from _introspect(token, now, config))
    except Unauthenticated:
        return INACTIVE


def load_session_of_token(token: str, now: Instant, config: IssuerConfig) -> Flow[LoadedSession]:
    """Verify the signature or MAC of a credential and load its session, which may have ended.

    Raises ``TokenMalformed`` or ``TokenInvalid``, also for an access token that is limited to other services, and
    ``StoreRestored`` for a missing session while the database is suspended.
    """
    for kind in (CredentialKind.SESSION, CredentialKind.REFRESH):
        if token.startswith(f"kt_{kind.value}_"):
            return (yield from load_session_by_credential(parse(token, kind, config.secrets)))
    claims = yield from call(Signer.verify, token, now)
    check_issuer(claims, config.issuer)
    # A service must not end the sessions of its callers by the tokens that were limited to it.
    check_own_audience(claims.aud, claims.aud_limited, config)
    loaded = yield from load_session(SessionId(claims.sid))
    if loaded is None:
        raise TokenInvalid("the session does not exist")
    return loaded


def _introspect(token: str, now: Instant, config: IssuerConfig) -> Flow[dict[str, object]]:
    for kind in (CredentialKind.SESSION, CredentialKind.REFRESH):
        if token.startswith(f"kt_{kind.value}_"):
            return (yield from _introspect_sealed(parse(token, kind, config.secrets), now, config))
    claims = yield from call(Signer.verify, token, now)
    check_issuer(claims, config.issuer)
    check_times(claims, now, config.profile.token.leeway_seconds, config.clock_gap_seconds)
    loaded = yield from load_session(SessionId(claims.sid))
    if loaded is None or not is_access_valid(loaded, claims, now, config):
        return INACTIVE
    yield from record_access_use(claims, config)
    return _access_response(claims)


def _introspect_sealed(credential: ParsedCredential, now: Instant, config: IssuerConfig) -> Flow[dict[str, object]]:
    loaded = yield from load_session_by_credential(credential)
    session = loaded.session
    state = session_state(session, loaded.floor, now, config.profile.session)
    if state is SessionState.SUSPENDED:
        # Its counters may be old, too.
        raise StoreRestored("the session is suspended")
    current = session.renewals if credential.kind is CredentialKind.SESSION else session.rotations
    if credential.counter != current:
        return INACTIVE
    if state in (SessionState.IDLE, SessionState.EXPIRED) and config.clock_gap_seconds:
        raise ClockUncertain(f"the session is {state.value} by the later of two clocks")
    if state is not SessionState.LIVE:
        return INACTIVE
    if is_unseen(session):
        with suppress(StoreUnavailable):
            yield from record_use(session.sid)
    return _session_response(session, credential.kind, config)


def _session_response(session: Session, kind: CredentialKind, config: IssuerConfig) -> dict[str, object]:
    return {
        "active": True,
        "token_type": f"{kind.value}_token",
        "iss": config.issuer,
        "sub": session.subject,
        "sid": session.sid,
        "client_id": session.client.client_id,
        "scope": session.scope,
        "iat": session.created_at,
        "exp": ends_at(session, config.profile.session),
        "auth_time": session.auth_time,
        "acr": acr_for(session.amr),
        "amr": list(session.amr),
    }


def _access_response(claims: AccessClaims) -> dict[str, object]:
    names = ("iss", "sub", "aud", "sid", "client_id", "scope", "iat", "exp", "gen", "auth_time", "acr", "amr")
    fields: dict[str, object] = {name: getattr(claims, name) for name in names}
    return {"active": True, "token_type": "Bearer", **fields}
