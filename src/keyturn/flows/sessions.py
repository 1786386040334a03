"""List of a subject's sessions, which never contains a credential."""

from dataclasses import dataclass, replace

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import SessionState, ends_at, session_state
from keyturn.core.policy import SessionPolicy
from keyturn.core.session import LoadedSession, Session
from keyturn.core.session_cursor import make_cursor, parse_cursor, place_of
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import InvalidMember
from keyturn.flows.effects import Flow, call
from keyturn.ports import MAX_LISTED, SessionStore


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One live session, as shown to its owner. Times are in whole seconds since 1970.

    ``idle_expires_at``: the session ends then unless it is used; ``session_expires_at``: it ends then in any case.
    """

    sid: SessionId
    client_id: str
    label: str
    address: str
    created_at: Instant
    last_seen_at: Instant
    idle_expires_at: Instant
    session_expires_at: Instant

    @property
    def cursor(self) -> str:
        """Cursor of the page that follows this session: ``after`` of the next call."""
        return make_cursor(self.created_at, self.sid)


def list_sessions(
    subject: Subject, now: Instant, config: IssuerConfig, after: str = "", limit: int = MAX_LISTED
) -> Flow[list[SessionSummary]]:
    """List at most ``limit`` live sessions of ``subject``, newest first, of the newest ``MAX_LISTED``.

    ``after``: cursor of the last session of the page before. A session that is live from the first page to the last
    is on one of them, whatever begins and ends in between.
    Raises ``InvalidMember`` for another text, and for a limit outside 1 to ``MAX_LISTED``.
    """
    if not 1 <= limit <= MAX_LISTED:
        raise InvalidMember("limit", f"a number from 1 to {MAX_LISTED}")
    start = parse_cursor(after)
    live = yield from load_live_sessions(subject, now, config)
    found = {place_of(each.session.created_at, each.session.sid): each.session for each in live}
    places = sorted(each for each in found if each > start)[:limit]
    return [_summary(found[each], config.profile.session) for each in places]


def load_live_sessions(subject: Subject, now: Instant, config: IssuerConfig) -> Flow[list[LoadedSession]]:
    """Return the live sessions of ``subject``, newest first, at most the ``MAX_LISTED`` that the store lists."""
    # While clocks disagree, a session that may have timed out counts: it can still be ended.
    policy = replace(config.profile.session, clock_gap_seconds=0)
    listed = yield from call(SessionStore.list, subject)
    return [each for each in listed if session_state(each.session, each.floor, now, policy) is SessionState.LIVE]


def _summary(session: Session, policy: SessionPolicy) -> SessionSummary:
    client = session.client
    return SessionSummary(
        session.sid,
        client.client_id,
        client.label,
        client.address,
        session.created_at,
        session.last_seen_at,
        session.expires_at,
        ends_at(session, policy),
    )
