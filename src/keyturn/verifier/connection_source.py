"""Source of what ends the open connections of a resource server: the feed of its verifier, and its clock."""

from collections.abc import Callable

from keyturn.core.clocks import read_clocks
from keyturn.core.connection import Decision, decide_revocations
from keyturn.core.principal import Principal
from keyturn.core.revocation import Revocation
from keyturn.errors import RevocationUnknown
from keyturn.verifier.feed import Feed, NotifyingFeed, RunningFeed


class VerifierConnectionSource:
    """``ConnectionSource`` of a verifier.

    ``clock``: Unix time. ``tolerance_seconds``: difference beyond which it and the issuer's clock disagree.
    A feed that cannot notify is polled.
    """

    def __init__(
        self,
        feed: Feed,
        bound_seconds: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        tolerance_seconds: float,
    ) -> None:
        self.bound_seconds = bound_seconds
        self.monotonic = monotonic
        self._clock = clock
        self._tolerance_seconds = tolerance_seconds
        self._feed = feed
        self._revision: object = None

    def complete_as_of(self) -> float:
        """Return the monotonic time as of which the feed is complete."""
        return self._feed.freshness.complete_as_of

    def poll(self) -> bool:
        """Return True if a feed that cannot notify has changed since the last call."""
        before, self._revision = self._revision, self._feed.revocations.revision
        return self._revision is not before and not isinstance(self._feed, NotifyingFeed)

    def present(self) -> tuple[float, float]:
        """Return the present time and 0, or the earlier time and the gap while the issuer's clock disagrees."""
        wall, references = self._clock(), (self._feed.freshness.issuer_clock,)
        reading = read_clocks(wall, self.monotonic(), references, self._tolerance_seconds)
        return (reading.now, reading.gap_seconds) if reading.gap_seconds else (wall, 0)

    def subscribe(self, listener: Callable[[Revocation | None], None]) -> Callable[[], None]:
        """Start the feed, and subscribe to it if it can notify. Return a function to unsubscribe."""
        if isinstance(self._feed, RunningFeed):
            self._feed.start()
        if isinstance(self._feed, NotifyingFeed):
            return self._feed.subscribe(listener)
        return lambda: None

    def decide(self, principal: Principal) -> Decision:
        """Decide by the revocations that the feed has brought."""
        return decide_revocations(principal, self._feed.revocations)

    def reload(self, principal: Principal) -> Principal:
        """Raise ``RevocationUnknown``: a resource server has no store, and accepts no session token."""
        raise RevocationUnknown("a resource server cannot reload a session")
