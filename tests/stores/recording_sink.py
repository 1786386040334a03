"""A sink that writes down what a feed tells it, and something to tell."""

from typing import Any

from keyturn.core.revocation import Revocation, RevocationKind, RevocationPage
from keyturn.core.types import Instant

NOW = Instant(1_700_000_000)
LATER = Instant(NOW + 900)


class RecordingSink:
    """A sink that writes down what happens to it."""

    def __init__(self) -> None:
        self.entries: list[Revocation] = []
        self.resets: list[RevocationPage] = []
        self.confirmed: list[float] = []
        self.expired: list[Instant] = []

    def apply(self, entry: Revocation) -> None:
        self.entries.append(entry)

    def reset(self, page: RevocationPage) -> None:
        self.resets.append(page)

    def mark_complete(self, asked_at: float) -> None:
        self.confirmed.append(asked_at)

    def expire(self, now: Instant) -> None:
        self.expired.append(now)


def mark(store: Any, key: str = "web", expires_at: Instant = LATER) -> Revocation:
    entry: Revocation = store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, key, NOW, NOW, expires_at))
    return entry
