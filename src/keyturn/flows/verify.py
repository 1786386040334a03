"""Verify: from a presented credential to a principal. The caches may say yes; only the store may say no."""

from keyturn.core.claims import AccessClaims, check_audience, check_issuer, check_times, principal_of
from keyturn.core.instant import Instant, SessionId
from keyturn.core.lifecycle import State, admit, judge
from keyturn.core.principal import Principal
from keyturn.core.realm import Realm
from keyturn.core.revocation import Position, Verdict
from keyturn.core.sealed import Presented, Sealed, matches, parse
from keyturn.core.session import Copy, Found, Session
from keyturn.errors import Refusal, RevocationUnknown, StoreQuarantined, StoreUnavailable, TokenRevoked
from keyturn.flows import asks
from keyturn.flows.find import find
from keyturn.flows.issue import session_principal
from keyturn.flows.step import Flow, T


def verify_session(text: str, now: Instant, realm: Realm) -> Flow[Principal]:
    """Who holds this session token.

    Raises ``TokenMalformed``, ``TokenInvalid``, ``TokenRevoked``, ``SessionEnded``, ``CounterAhead``;
    ``RevocationUnknown`` when neither the feed nor the store can tell.
    """
    presented = parse(text, Sealed.SESSION, realm.secrets)
    session = _admitted((yield from asks.recall(presented.sid)), presented, now, realm)
    if session is None:
        position = yield from asks.position()
        session = (yield from _ask_cache(presented, position, now, realm)) or (
            yield from _ask_store(presented, position, now, realm)
        )
    return session_principal(session, realm)


def verify_access(token: str, now: Instant, realm: Realm) -> Flow[Principal]:
    """Who holds this access token. Raises as ``verify_session``, and ``TokenExpired``, ``TokenNotYetValid``."""
    claims = yield from asks.read_token(token, now)
    check_issuer(claims, realm.issuer)
    check_audience(claims, realm.audience[0])
    check_times(claims, now, realm.profile.token.leeway_seconds)
    verdict = yield from asks.judge_claims(claims)
    if verdict is Verdict.REVOKED:
        raise TokenRevoked("the feed names its session, subject or client")
    # A revocation is kept as long as access tokens live by today's policy: one of an earlier, longer one outlasts it.
    outlasts = claims.exp - claims.iat > realm.profile.token.access_seconds
    if verdict is Verdict.UNKNOWN or outlasts:
        yield from _introspect(claims, now, realm)
    return principal_of(claims)


def _admitted(near: Found | None, presented: Presented, now: Instant, realm: Realm) -> Session | None:
    if near is None or not matches(presented, near.session.seed):
        return None
    try:
        session = admit(near, presented.counter, now, realm.profile.session)
    except Refusal:
        return None
    return session if session is near.session else None


def _ask_cache(presented: Presented, position: Position | None, now: Instant, realm: Realm) -> Flow[Session | None]:
    """What another process read, if this one's own news of revocations vouches for it."""
    if position is None:
        return None
    copy = yield from asks.recall_copy(presented.sid, position.log)
    if copy is None or not copy.holds(now):
        return None
    session = _admitted(copy.found, presented, now, realm)
    return session if session is not None and (yield from asks.vouch(copy)) else None


def _ask_store(presented: Presented, position: Position | None, now: Instant, realm: Realm) -> Flow[Session]:
    while True:
        found = yield from _truth(find(presented))
        session = admit(found, presented.counter, now, realm.profile.session)
        try:
            if session is not found.session and (yield from asks.replace(session)) is None:
                continue
        except StoreUnavailable:
            # A full disk can still be read: the use goes unnoted, and the session ends early at worst, never late.
            return found.session
        stored = Found(session, found.marks)
        yield from asks.remember(stored)
        if position is not None:
            yield from asks.remember_copy(Copy(stored, position, now))
        return session


def _introspect(claims: AccessClaims, now: Instant, realm: Realm) -> Flow[None]:
    found = yield from _truth(asks.load(SessionId(claims.sid)))
    if found is None or not holds(found, claims, now, realm):
        raise TokenRevoked("the store says its session has ended")


def holds(found: Found, claims: AccessClaims, now: Instant, realm: Realm) -> bool:
    """Whether the session behind an access token still stands, by what the store says."""
    stands = judge(found.session, found.marks, now, realm.profile.session) not in (State.ENDED, State.VOID)
    marks = found.marks
    return stands and claims.gen >= marks.generation and claims.iat >= marks.not_before


def _truth(question: Flow[T]) -> Flow[T]:
    # P4: nobody can tell. Never "accept", and never 401, which would log an honest caller out.
    try:
        return (yield from question)
    except StoreQuarantined:
        raise  # it says by itself how long
    except StoreUnavailable as down:
        raise RevocationUnknown(down.detail) from down
