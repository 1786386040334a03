"""Cache of verified tokens, keyed by the whole token, within one verifier."""

from heapq import heappop, heappush

import msgspec

from keyturn.core.principal import Principal
from keyturn.tokens.keyset import KeySet
from keyturn.verifier.claims import Claims
from keyturn.verifier.threads import ForkSafeLock


class CachedToken(msgspec.Struct, gc=False):
    """Results that stay valid while ``keys`` is the current key set; expiry and audience are checked on every call.

    ``starts_at`` and ``ends_at``: validity in whole Unix seconds, leeway included. ``audience``: the name of ``aud``
    that the verifier accepted. ``revision``: of the denylist that last did not revoke the token.
    """

    keys: KeySet
    starts_at: int
    ends_at: int
    audience: str
    principal: Principal
    claims: Claims
    revision: object = None


class TokenCache:
    """Cache of at most ``capacity`` tokens. Expired tokens are removed; a full cache evicts the next to expire.

    ``entries`` is read without a lock: only whole entries are added and removed.
    """

    __slots__ = ("_expirations", "_lock", "capacity", "entries")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.entries: dict[str, CachedToken] = {}
        self._expirations: list[tuple[int, str]] = []
        self._lock = ForkSafeLock()

    def insert(self, token: str, cached: CachedToken, now: float) -> None:
        """Cache ``token``. A repeated insert counts against ``capacity`` too, which bounds both structures."""
        expirations = self._expirations
        with self._lock:
            while expirations and (expirations[0][0] <= now or len(expirations) >= self.capacity):
                self.entries.pop(heappop(expirations)[1], None)
            if self.capacity:
                self.entries[token] = cached
                heappush(expirations, (cached.ends_at, token))
