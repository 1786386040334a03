"""``SessionStore`` whose sessions end with a change of the account in the application."""

from dataclasses import replace

from keyturn.accounts.calls import Operation, store_call
from keyturn.accounts.store import OwnAccountStore
from keyturn.core.session import LoadedSession
from keyturn.core.types import SessionId
from keyturn.ports import SessionStore


class OwnSessionStore:
    """``load`` of the ``SessionStore`` port: compares the account of the session before it is judged."""

    def __init__(self, sessions: SessionStore, accounts: OwnAccountStore) -> None:
        self._sessions = sessions
        self._accounts = accounts

    def load(self, sid: SessionId) -> Operation[LoadedSession | None]:
        """Load a session after its account was compared: a changed account has ended it."""
        loaded = yield from store_call(self._sessions.load, sid)
        if loaded is None or loaded.session.ended_at is not None:
            return loaded
        account = yield from self._accounts.load(loaded.session.subject)
        latest = yield from store_call(self._sessions.load, sid)
        if account is None and latest is not None:
            return replace(latest, floor=replace(latest.floor, generation=latest.session.generation + 1))
        return latest
