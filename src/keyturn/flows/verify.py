"""Verification of a presented credential. A cache may only accept a credential; only the store may refuse one."""

from keyturn.core.claims import AccessClaims, check_audience, check_issuer, check_times, principal_from_claims
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import State, check_session_token, session_state
from keyturn.core.principal import Principal
from keyturn.core.revocation import LogCursor, Verdict
from keyturn.core.sealed import CredentialKind, ParsedCredential, parse, verify_mac
from keyturn.core.session import CachedSession, LoadedSession, Session
from keyturn.core.types import Instant, SessionId
from keyturn.errors import Refusal, RevocationUnknown, StoreQuarantined, StoreUnavailable, TokenRevoked
from keyturn.flows import effects
from keyturn.flows.effects import Flow, T
from keyturn.flows.issue import session_principal
from keyturn.flows.load_by_credential import load_by_credential


def verify_session(text: str, now: Instant, realm: IssuerConfig) -> Flow[Principal]:
    """Verify a session token and return its principal.

    Raises ``TokenMalformed``, ``TokenInvalid``, ``TokenRevoked``, ``SessionEnded``, ``CounterAhead``;
    ``RevocationUnknown`` if the feed is stale and the store is unavailable.
    """
    presented = parse(text, CredentialKind.SESSION, realm.secrets)
    session = _check_cached((yield from effects.get_cached(presented.sid)), presented, now, realm)
    if session is None:
        position = yield from effects.cache_cursor()
        session = (yield from _ask_cache(presented, position, now, realm)) or (
            yield from _ask_store(presented, position, now, realm)
        )
    return session_principal(session, realm)


def verify_access(token: str, now: Instant, realm: IssuerConfig) -> Flow[Principal]:
    """Verify an access token and return its principal.

    Raises as ``verify_session``, and ``TokenExpired``, ``TokenNotYetValid``.
    """
    claims = yield from effects.verify_token(token, now)
    check_issuer(claims, realm.issuer)
    check_audience(claims, realm.audience[0])
    check_times(claims, now, realm.profile.token.leeway_seconds)
    verdict = yield from effects.check_cached_claims(claims)
    if verdict is Verdict.REVOKED:
        raise TokenRevoked("the feed names its session, subject or client")
    # A revocation is kept for the present lifetime of access tokens. A token of an earlier policy with a longer
    # lifetime outlasts it: ask the store.
    outlasts = claims.exp - claims.iat > realm.profile.token.access_seconds
    if verdict is Verdict.UNKNOWN or outlasts:
        yield from _introspect(claims, now, realm)
    return principal_from_claims(claims)


def _check_cached(
    near: LoadedSession | None, presented: ParsedCredential, now: Instant, realm: IssuerConfig
) -> Session | None:
    if near is None or not verify_mac(presented, near.session.seed):
        return None
    try:
        session = check_session_token(near, presented.counter, now, realm.profile.session)
    except Refusal:
        return None
    return session if session is near.session else None


def _ask_cache(
    presented: ParsedCredential, position: LogCursor | None, now: Instant, realm: IssuerConfig
) -> Flow[Session | None]:
    """Return the session from the shared cache, if it is recent and valid and the local feed shows no revocation."""
    if position is None:
        return None
    copy = yield from effects.get_copy(presented.sid, position.log_id)
    if copy is None or not copy.is_recent(now):
        return None
    session = _check_cached(copy.loaded, presented, now, realm)
    return session if session is not None and (yield from effects.accept_copy(copy)) else None


def _ask_store(
    presented: ParsedCredential, position: LogCursor | None, now: Instant, realm: IssuerConfig
) -> Flow[Session]:
    while True:
        found = yield from _unavailable_as_unknown(load_by_credential(presented))
        session = check_session_token(found, presented.counter, now, realm.profile.session)
        try:
            if session is not found.session and (yield from effects.replace(session)) is None:
                continue
        except StoreUnavailable:
            # A full disk can still be read. The use is not recorded: the session may end early, but never late.
            return found.session
        stored = LoadedSession(session, found.floor)
        yield from effects.put_cached(stored)
        if position is not None:
            yield from effects.put_copy(CachedSession(stored, position, now))
        return session


def _introspect(claims: AccessClaims, now: Instant, realm: IssuerConfig) -> Flow[None]:
    found = yield from _unavailable_as_unknown(effects.load(SessionId(claims.sid)))
    if found is None or not is_good(found, claims, now, realm):
        raise TokenRevoked("the store says its session has ended")


def is_good(found: LoadedSession, claims: AccessClaims, now: Instant, realm: IssuerConfig) -> bool:
    """Return True if the stored session of an access token is still valid for it."""
    stands = session_state(found.session, found.floor, now, realm.profile.session) not in (State.ENDED, State.VOID)
    marks = found.floor
    return stands and claims.gen >= marks.generation and claims.iat >= marks.not_before


def _unavailable_as_unknown(question: Flow[T]) -> Flow[T]:
    # P4: the revocation state is unknown. Never accept, and never reply 401, which would log out a legitimate caller.
    try:
        return (yield from question)
    except StoreQuarantined:
        raise  # it carries its own retry_after_seconds
    except StoreUnavailable as down:
        raise RevocationUnknown(down.detail) from down
