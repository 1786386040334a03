"""Verification of a presented credential.

A cached session only accepts a credential. Only the store or the revocation feed refuses one.
"""

from typing import NamedTuple

from keyturn.core.audience import check_own_audience
from keyturn.core.claims import AccessClaims, check_issuer, check_times, principal_from_claims
from keyturn.core.feed import LogCursor
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import SessionState, check_session_token, session_state
from keyturn.core.principal import Principal
from keyturn.core.revocation import Verdict, is_void
from keyturn.core.sealed import CredentialKind, ParsedCredential, parse, verify_mac
from keyturn.core.session import CachedSession, LoadedSession, Session
from keyturn.core.types import Instant, SessionId, T
from keyturn.errors import (
    Refusal,
    RevocationUnknown,
    SessionEnded,
    StoreQuarantined,
    StoreRestored,
    StoreUnavailable,
    TokenInvalid,
    TokenRevoked,
)
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.flows.issue import session_principal
from keyturn.flows.load_session import load_session, load_session_by_credential
from keyturn.flows.successor import record_access_use
from keyturn.ports import SessionStore, Signer
from keyturn.ports.caches import SessionCache, SharedSessionCache


class AuthenticatedCredential(NamedTuple):
    """Principal of a verified credential.

    ``session``: as it was read; None if it was not needed. ``claims``: of an access token.
    """

    principal: Principal
    session: Session | None
    claims: AccessClaims | None = None


def verify_session(text: str, now: Instant, config: IssuerConfig) -> Flow[Principal]:
    """Verify a session token and return its principal. Raises as ``authenticate_session``."""
    return (yield from authenticate_session(text, now, config)).principal


def verify_access(token: str, now: Instant, config: IssuerConfig) -> Flow[Principal]:
    """Verify an access token and return its principal. Raises as ``authenticate_access``."""
    return (yield from authenticate_access(token, now, config)).principal


def authenticate_session(text: str, now: Instant, config: IssuerConfig) -> Flow[AuthenticatedCredential]:
    """Verify a session token.

    Raises ``TokenMalformed``, ``TokenInvalid``, ``TokenRevoked``, ``SessionEnded``, ``CounterAhead``;
    ``RevocationUnknown`` if the feed is stale and the store is unavailable.
    """
    config.require_accepted("session")
    credential = parse(text, CredentialKind.SESSION, config.secrets)
    session = _check_cached((yield from call(SessionCache.get, credential.sid)), credential, now, config)
    if session is None:
        session = yield from _check_uncached(credential, now, config)
    return AuthenticatedCredential(session_principal(session, config), session)


def authenticate_access(token: str, now: Instant, config: IssuerConfig) -> Flow[AuthenticatedCredential]:
    """Verify an access token. Raises as ``authenticate_session``, and ``TokenExpired``, ``TokenNotYetValid``."""
    config.require_accepted("access")
    claims = yield from call(Signer.verify, token, now)
    check_issuer(claims, config.issuer)
    check_own_audience(claims.aud, claims.aud_limited, config)
    check_times(claims, now, config.profile.token.leeway_seconds, config.clock_gap_seconds)
    verdict = yield from effects.check_cached_claims(claims)
    if verdict is Verdict.REVOKED:
        raise TokenRevoked("the revocation feed lists the token's session, subject or client")
    # A revocation is kept for the present lifetime of access tokens. A token of an earlier policy with a longer
    # lifetime outlasts it: ask the store.
    outlives_revocations = claims.exp - claims.iat > config.profile.token.access_seconds
    session = None
    if verdict is Verdict.UNKNOWN or outlives_revocations:
        session = yield from _introspect(claims, now, config)
    yield from record_access_use(claims, config)
    return AuthenticatedCredential(principal_from_claims(claims), session, claims)


def _check_uncached(credential: ParsedCredential, now: Instant, config: IssuerConfig) -> Flow[Session]:
    """Check a session token that the session cache does not accept: it may be dead, so first ask the feed."""
    known = yield from call(SessionCache.get_refusal, credential)
    if known is not None:
        raise known("the revocation feed lists the session, or the store has just refused this credential")
    cursor = yield from call(SessionCache.cursor)
    shared = yield from _load_from_shared_cache(credential, cursor, now, config)
    if shared is not None:
        return shared
    try:
        return (yield from _load_from_store(credential, cursor, now, config))
    except (TokenInvalid, TokenRevoked, SessionEnded) as refusal:
        if cursor is not None:
            yield from call(SessionCache.put_refusal, credential, type(refusal), cursor)
        raise


def _check_cached(
    loaded: LoadedSession | None, credential: ParsedCredential, now: Instant, config: IssuerConfig
) -> Session | None:
    if loaded is None or not verify_mac(credential, loaded.session.seed):
        return None
    try:
        session = check_session_token(loaded, credential.counter, now, config.profile.session)
    except Refusal:
        return None
    return session if session is loaded.session else None


def _load_from_shared_cache(
    credential: ParsedCredential, cursor: LogCursor | None, now: Instant, config: IssuerConfig
) -> Flow[Session | None]:
    """Return the session from the shared cache, if it is recent and valid and the local feed shows no revocation."""
    if cursor is None:
        return None
    copy = yield from call(SharedSessionCache.get, credential.sid, cursor.log_id)
    if copy is None or not copy.is_recent(now):
        return None
    session = _check_cached(copy.loaded, credential, now, config)
    return session if session is not None and (yield from call(SessionCache.accept_copy, copy)) else None


def _load_from_store(
    credential: ParsedCredential, cursor: LogCursor | None, now: Instant, config: IssuerConfig
) -> Flow[Session]:
    while True:
        loaded = yield from _unavailable_as_unknown(load_session_by_credential(credential))
        session = check_session_token(loaded, credential.counter, now, config.profile.session)
        try:
            if session is not loaded.session and (yield from call(SessionStore.replace, session)) is None:
                continue
        except StoreUnavailable:
            # A full disk can still be read. The use is not recorded: the session may end early, but never late.
            return loaded.session
        current = LoadedSession(session, loaded.floor)
        yield from call(SessionCache.put, current)
        if cursor is not None:
            yield from call(SharedSessionCache.put, CachedSession(current, cursor, now))
        return session


def _introspect(claims: AccessClaims, now: Instant, config: IssuerConfig) -> Flow[Session]:
    loaded = yield from _unavailable_as_unknown(load_session(SessionId(claims.sid)))
    if loaded is None or not is_access_valid(loaded, claims, now, config):
        raise TokenRevoked("the session of the token has ended")
    return loaded.session


def is_access_valid(loaded: LoadedSession, claims: AccessClaims, now: Instant, config: IssuerConfig) -> bool:
    """Return True if the stored session of an access token is still valid for it. Raises ``StoreRestored``."""
    state, floor = session_state(loaded.session, loaded.floor, now, config.profile.session), loaded.floor
    if state is SessionState.SUSPENDED:
        raise StoreRestored("the session is suspended")
    is_revoked = is_void(claims.gen, claims.iat, floor.generation, floor.not_before)
    return state not in (SessionState.ENDED, SessionState.VOID) and not is_revoked


def _unavailable_as_unknown(flow: Flow[T]) -> Flow[T]:
    # P4: the revocation state is unknown. Never accept, and never reply 401, which would log out a legitimate caller.
    try:
        return (yield from flow)
    except (StoreQuarantined, StoreRestored):
        raise  # they carry their own retry_after_seconds
    except StoreUnavailable as error:
        raise RevocationUnknown(error.detail) from error
