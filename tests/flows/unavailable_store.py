"""Session stores with failures, and a fresh session cache."""

from dataclasses import replace
from typing import Any

from keyturn.core.session import LoadedSession, Session
from keyturn.core.types import SessionId
from keyturn.errors import (
    StoreUnavailable,
)
from keyturn.stores.session_cache import LocalSessionCache


class UnavailableStore:
    """A store that cannot be reached."""

    def __init__(self, refusal: StoreUnavailable | None = None) -> None:
        self._refusal = refusal or StoreUnavailable("away")

    def load(self, sid: SessionId) -> None:
        raise self._refusal


class UndurableStore:
    """A store whose last write may not be durable. ``answers``: results of ``wait_durable``, in order."""

    def __init__(self, sessions: Any, *answers: bool) -> None:
        self.replace = sessions.replace
        self._load = sessions.load
        self.answers = list(answers)

    def load(self, sid: SessionId) -> LoadedSession:
        return replace(self._load(sid), durable=False)

    def wait_durable(self, session: Session) -> bool:
        return self.answers.pop(0)


class ReadOnlyStore:
    """A store that reads, and cannot write now."""

    def __init__(self, sessions: Any, refusal: StoreUnavailable) -> None:
        self.load = sessions.load
        self._refusal = refusal

    def replace(self, *arguments: object) -> None:
        raise self._refusal


def fresh_session_cache() -> LocalSessionCache:
    cache = LocalSessionCache(5, lambda: 0.0)
    cache.mark_complete(0.0)
    return cache
