"""Order of the logins of one account, and the sessions that are more than its limit."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from keyturn.core.policy import SessionPolicy
from keyturn.core.session import LOGIN_ORDER, LoadedSession, Session

_MICROSECONDS = 1_000_000


def login_order(session: Session) -> tuple[int, str]:
    """Return a value that is greater for a later login, the same for every process."""
    order = session.claims.get(LOGIN_ORDER, session.created_at * _MICROSECONDS)
    return cast("int", order), session.sid


def place_after(session: Session, found: Iterable[LoadedSession]) -> Session:
    """Return a new session whose place among the logins is after every session of ``found``.

    Its time alone does not tell: logins of one second have the same, and clocks of processes differ.
    """
    own = session.created_at * _MICROSECONDS
    place = max([own, *(login_order(each.session)[0] + 1 for each in found)])
    return replace(session, claims={**session.claims, LOGIN_ORDER: place})


def select_surplus(session: Session, live: Sequence[LoadedSession], policy: SessionPolicy) -> list[LoadedSession]:
    """Return the sessions of ``live`` to end after ``session`` was stored: the oldest ones, or ``session`` itself.

    With ``refuse`` a login ends itself only, whatever the order: an earlier one has been answered already.
    """
    if policy.session_limit_action == "end_oldest":
        return sorted(live, key=lambda each: login_order(each.session), reverse=True)[policy.session_limit :]
    own = [each for each in live if each.session.sid == session.sid]
    return own if len(live) > policy.session_limit else []
