"""Verify: from a presented credential to a principal. The caches may say yes; only the store may say no."""

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
    """Who holds this session token.

    Raises ``TokenMalformed``, ``TokenInvalid``, ``TokenRevoked``, ``SessionEnded``, ``CounterAhead``;
    ``RevocationUnknown`` when neither the feed nor the store can tell.
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
    """Who holds this access token. Raises as ``verify_session``, and ``TokenExpired``, ``TokenNotYetValid``."""
    claims = yield from effects.verify_token(token, now)
    check_issuer(claims, realm.issuer)
    check_audience(claims, realm.audience[0])
    check_times(claims, now, realm.profile.token.leeway_seconds)
    verdict = yield from effects.check_cached_claims(claims)
    if verdict is Verdict.REVOKED:
        raise TokenRevoked("the feed names its session, subject or client")
    # A revocation is kept as long as access tokens live by today's policy: one of an earlier, longer one outlasts it.
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
    """What another process read, if this one's own news of revocations vouches for it."""
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
            # A full disk can still be read: the use goes unnoted, and the session ends early at worst, never late.
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
    """Whether the session behind an access token still stands, by what the store says."""
    stands = session_state(found.session, found.floor, now, realm.profile.session) not in (State.ENDED, State.VOID)
    marks = found.floor
    return stands and claims.gen >= marks.generation and claims.iat >= marks.not_before


def _unavailable_as_unknown(question: Flow[T]) -> Flow[T]:
    # P4: nobody can tell. Never "accept", and never 401, which would log an honest caller out.
    try:
        return (yield from question)
    except StoreQuarantined:
        raise  # it says by itself how long
    except StoreUnavailable as down:
        raise RevocationUnknown(down.detail) from down
