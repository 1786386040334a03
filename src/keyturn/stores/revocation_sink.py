"""Protocol of the receiver of a revocation feed."""

from typing import Protocol

from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.core.types import Instant


class RevocationSink(Protocol):
    """Receiver of a revocation feed, such as ``LocalSessionCache``."""

    def apply(self, entry: Revocation) -> None:
        """Apply one entry."""
        ...

    def reset(self, page: RevocationPage) -> None:
        """Restart from a snapshot."""
        ...

    def mark_complete(self, requested_at: float) -> None:
        """Record that every entry committed by ``requested_at`` (monotonic seconds) was applied."""
        ...

    def expire(self, now: Instant) -> None:
        """Remove entries whose tokens have all expired."""
        ...
