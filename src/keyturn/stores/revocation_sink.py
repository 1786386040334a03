"""What a revocation feed pours into."""

from typing import Protocol

from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.core.types import Instant


class RevocationSink(Protocol):
    """What a feed pours into: ``NearSessions``, or a verifier's own set."""

    def apply(self, entry: Revocation) -> None:
        """Take one entry."""
        ...

    def reset(self, page: RevocationPage) -> None:
        """Start over from a snapshot."""
        ...

    def mark_complete(self, asked_at: float) -> None:
        """Everything up to this moment (monotonic seconds) has been taken."""
        ...

    def expire(self, now: Instant) -> None:
        """Forget what stops nothing any more."""
        ...
