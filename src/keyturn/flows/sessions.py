"""List of a subject's sessions, which never contains a credential."""

from dataclasses import dataclass, replace

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import SessionState, ends_at, session_state
from keyturn.core.policy import SessionPolicy
from keyturn.core.session import LoadedSession, Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.flows.effects import Flow, call
from keyturn.ports import SessionStore


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


def list_sessions(subject: Subject, now: Instant, config: IssuerConfig) -> Flow[list[SessionSummary]]:
    """List the live sessions of ``subject``, newest first."""
    live = yield from load_live_sessions(subject, now, config)
    return [_summary(each.session, config.profile.session) for each in live]


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
