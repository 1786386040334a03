"""Feeds of a verifier: what it reads of a source of revocations."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, runtime_checkable

from keyturn.core.freshness import Freshness
from keyturn.core.revocation import Revocation, RevocationSet


class Feed(Protocol):
    """Source of revocations. ``freshness`` uses the same monotonic clock as the verifier."""

    @property
    def revocations(self) -> RevocationSet: ...
    @property
    def freshness(self) -> Freshness: ...


@runtime_checkable
class RunningFeed(Feed, Protocol):
    """Feed that reads in a thread of its own."""

    def start(self) -> Future[None]:
        """Start the thread if it does not run, for example after a fork.

        Return a future that is done once the first read has succeeded or failed.
        """
        ...


@runtime_checkable
class NotifyingFeed(Feed, Protocol):
    """Feed that calls listeners."""

    def subscribe(self, listener: Callable[[Revocation], None]) -> Callable[[], None]:
        """Call ``listener`` with every revocation, in the thread that read it. Return a function to unsubscribe.

        The listener must not block.
        """
        ...


class NullFeed:
    """Feed for ``revocation="none"``, the operator's explicit choice: always fresh and always empty."""

    def __init__(self) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(float("inf"), float("inf"))
