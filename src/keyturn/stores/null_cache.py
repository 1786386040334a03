"""Shared session cache that is always empty, for issuers without a Redis cache."""

from keyturn.core.session import CachedSession
from keyturn.core.types import SessionId


class NullSessionCache:
    """Empty ``ports.SharedSessionCache``."""

    def get(self, sid: SessionId, log_id: int) -> CachedSession | None:
        """Return None, a miss."""
        return None

    def put(self, copy: CachedSession) -> None:
        """Discard the copy."""
