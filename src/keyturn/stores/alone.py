"""NoCache: where an issuer shares its sessions with no other process but through the store."""

from keyturn.core.instant import SessionId
from keyturn.core.session import CachedSession


class NoCache:
    """``ports.SharedCache`` that holds nothing."""

    def recall(self, sid: SessionId, log: int) -> CachedSession | None:
        """A miss."""
        return None

    def remember(self, copy: CachedSession) -> None:
        """Nothing is kept."""
