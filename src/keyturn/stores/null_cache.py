"""NoCache: where an issuer shares its sessions with no other process but through the store."""

from keyturn.core.session import CachedSession
from keyturn.core.types import SessionId


class NullSessionCache:
    """``ports.SharedSessionCache`` that holds nothing."""

    def get(self, sid: SessionId, log: int) -> CachedSession | None:
        """A miss."""
        return None

    def put(self, copy: CachedSession) -> None:
        """Nothing is kept."""
