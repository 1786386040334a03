"""Session cache that has the account of a session compared again within a minute of its use."""

from collections.abc import Callable
from typing import Any

from keyturn.core.revocation import Verdict
from keyturn.core.session import CachedSession, LoadedSession
from keyturn.core.types import SessionId
from keyturn.stores.session_cache import LocalSessionCache

ACCOUNT_CHECK_SECONDS = 60.0
"""Longest time for which a session is accepted without a look at the account of the application."""

_CAPACITY = 100_000


class CheckedAccounts:
    """Subjects whose account was compared with its mark within ``ACCOUNT_CHECK_SECONDS``."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._checked_at: dict[str, float] = {}

    def mark(self, subject: str, started_at: float) -> None:
        """Record that the account was read after ``started_at``, in monotonic seconds."""
        checked_at = self._checked_at
        if len(checked_at) >= _CAPACITY:
            checked_at.clear()  # all are compared again
        checked_at[subject] = started_at

    def is_recent(self, subject: str) -> bool:
        """Return True if the account need not be read again yet."""
        return self._monotonic() - self._checked_at.get(subject, float("-inf")) < ACCOUNT_CHECK_SECONDS

    def now(self) -> float:
        """Return monotonic seconds."""
        return self._monotonic()


class AccountCheckingCache(LocalSessionCache):
    """``LocalSessionCache`` that accepts no credential of a subject whose account was not compared recently.

    The session is then loaded from the store, which compares the account (``OwnSessionStore.load``).
    """

    def __init__(self, *arguments: Any, checked: CheckedAccounts) -> None:
        super().__init__(*arguments)
        self._checked = checked

    def get(self, sid: SessionId) -> LoadedSession | None:
        """Return a cached session as ``LocalSessionCache`` does, or None if its account must be compared."""
        loaded = super().get(sid)
        return loaded if loaded is not None and self._checked.is_recent(loaded.session.subject) else None

    def check(self, sid: str, subject: str, generation: int, client_id: str, issued_at: int) -> Verdict:
        """Check an access token. Return ``UNKNOWN`` if the account of a live one must be compared."""
        verdict = super().check(sid, subject, generation, client_id, issued_at)
        return Verdict.UNKNOWN if verdict is Verdict.LIVE and not self._checked.is_recent(subject) else verdict

    def accept_copy(self, copy: CachedSession) -> bool:
        """Accept a copy as ``LocalSessionCache`` does, unless its account must be compared."""
        return self._checked.is_recent(copy.loaded.session.subject) and super().accept_copy(copy)
