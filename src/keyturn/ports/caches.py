"""Ports of the session caches: one in each process, and one shared by all processes of an issuer."""

from typing import Protocol

from keyturn.core.feed import LogCursor
from keyturn.core.revocation import Revocation, Verdict
from keyturn.core.sealed import ParsedCredential
from keyturn.core.session import CachedSession, LoadedSession
from keyturn.core.types import SessionId
from keyturn.errors import Refusal


class SessionCache(Protocol):
    """Sessions and revocations cached in this process and updated by the feed. Runs in process, never awaited.

    A cached session only accepts a credential. Only a revocation that the feed delivered, or a refusal of the store
    within the staleness bound, refuses one without asking the store.
    """

    def get(self, sid: SessionId) -> LoadedSession | None:
        """Return a cached session; ``None`` when it is not cached or the feed is stale."""
        ...

    def put(self, loaded: LoadedSession) -> None:
        """Cache a session just read from the store, unless the feed has revoked it already."""
        ...

    def get_refusal(self, credential: ParsedCredential) -> type[Refusal] | None:
        """Return the refusal of a session token whose session has ended, or that the store has just refused."""
        ...

    def put_refusal(self, credential: ParsedCredential, refusal: type[Refusal], cursor: LogCursor) -> None:
        """Remember that the store refused ``credential``. ``cursor``: position read before the store was asked."""
        ...

    def cursor(self) -> LogCursor | None:
        """Return the position in the log; ``None`` when the feed is stale: no copy may be accepted then."""
        ...

    def accept_copy(self, copy: CachedSession) -> bool:
        """Accept and cache a copy from the shared cache. Return False if it must not be used.

        The feed must be fresh, must have reached the position of the copy, and must not have revoked the session.
        """
        ...

    def is_suspended(self) -> bool:
        """Return True if the sessions of a restored database are suspended, as far as the feed has told."""
        ...

    def evict(self, sid: SessionId) -> None:
        """Remove a session that this process has just changed."""
        ...

    def apply_local(self, entry: Revocation) -> None:
        """Apply a revocation that this process has just committed, before the feed delivers it."""
        ...

    def check(self, sid: str, subject: str, generation: int, client_id: str, issued_at: int) -> Verdict:
        """Return the verdict on an access token; ``UNKNOWN`` when the feed is older than the staleness bound."""
        ...


class SharedSessionCache(Protocol):
    """Copies of sessions shared by all processes of an issuer. It may lose, delay, mix up and repeat them.

    Used for session token checks only, never for a write. Never raises: any failure is a cache miss.
    """

    def get(self, sid: SessionId, log_id: int) -> CachedSession | None:
        """Return a copy read under the log ``log_id``, of any age. Check it by ``SessionCache.accept_copy``."""
        ...

    def put(self, copy: CachedSession) -> None:
        """Store a session just read from the store, for the other processes."""
        ...
