"""Memo: tokens whose signature and fixed claims were found good, by the whole token, within one verifier."""

from heapq import heappop, heappush

import msgspec

from keyturn.core.principal import Principal
from keyturn.tokens.keyset import KeySet
from keyturn.verifier.claims import Claims
from keyturn.verifier.threads import ForkSafeLock


class CachedToken(msgspec.Struct, frozen=True, gc=False):
    """What need not be worked out again while ``keys`` is still the key set; the rest is judged on every call.

    ``starts_at`` and ``ends_at`` are whole seconds with the leeway already in them.
    """

    keys: KeySet
    starts_at: int
    ends_at: int
    audiences: tuple[str, ...]
    sid: bytes
    generation: int
    principal: Principal
    claims: Claims


class TokenCache:
    """At most ``capacity`` tokens, each forgotten when it expires; past that the one nearest its end goes first.

    ``entries`` is read without a lock: it only ever loses or gains whole entries.
    """

    __slots__ = ("_expirations", "_lock", "capacity", "entries")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.entries: dict[str, CachedToken] = {}
        self._expirations: list[tuple[int, str]] = []
        self._lock = ForkSafeLock()

    def insert(self, token: str, cached: CachedToken, now: float) -> None:
        """Remember ``token``. The bound counts re-insertions too, so that neither structure outgrows it."""
        expirations = self._expirations
        with self._lock:
            while expirations and (expirations[0][0] <= now or len(expirations) >= self.capacity):
                self.entries.pop(heappop(expirations)[1], None)
            if self.capacity:
                self.entries[token] = cached
                heappush(expirations, (cached.ends_at, token))
