"""Limit of live sessions per account, applied when a session is created.

Each login lists the sessions of its account before its own is stored, and once more afterwards. Of several logins at
once, the one that was stored last sees all of them: when all have ended, the limit holds.
"""

from collections.abc import Collection

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.session import LoadedSession, Session
from keyturn.core.session_limit import place_after, select_surplus
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import TooManySessions
from keyturn.flows.effects import Flow, call
from keyturn.flows.end_previous_login import find_previous_sessions
from keyturn.flows.revoke import revoke_loaded_session
from keyturn.flows.sessions import load_live_sessions
from keyturn.ports import SessionStore

OVER_LIMIT = "more sessions than the limit"
"""Reason recorded for a session that the limit ended."""


def insert_within_limit(
    session: Session, replaces: Collection[str], now: Instant, config: IssuerConfig
) -> Flow[Session]:
    """Store a new session with its place among the logins of its subject, and end those beyond the limit.

    The oldest end, each only while as many later ones as the limit allows are live; or ``session`` itself, and
    ``TooManySessions`` is raised, if the policy refuses. ``replaces``: credentials of sessions that do not count.
    """
    policy = config.profile.session
    replaced = yield from find_previous_sessions(replaces, now, config)
    found = yield from _load_counted(session.subject, replaced, now, config)
    if policy.session_limit_action == "refuse" and len(found) >= policy.session_limit:
        raise _refusal(session, config)
    session = place_after(session, found)
    yield from call(SessionStore.insert, session)
    surplus = select_surplus(session, (yield from _load_counted(session.subject, replaced, now, config)), policy)
    for each in surplus:
        yield from revoke_loaded_session(each, OVER_LIMIT, now, config)
    if policy.session_limit_action == "refuse" and surplus:
        raise _refusal(session, config)
    return session


def _load_counted(
    subject: Subject, replaced: Collection[SessionId], now: Instant, config: IssuerConfig
) -> Flow[list[LoadedSession]]:
    live = yield from load_live_sessions(subject, now, config)
    return [each for each in live if each.session.sid not in replaced]


def _refusal(session: Session, config: IssuerConfig) -> TooManySessions:
    return TooManySessions(f"{session.subject} has {config.profile.session.session_limit} live sessions, the limit")
