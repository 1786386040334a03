"""RedisCache: copies of sessions that all processes of an issuer share. Losing it loses nothing but time."""

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any

import msgspec

from keyturn.core.revocation import LogCursor
from keyturn.core.sealed import Secrets
from keyturn.core.session import CACHE_TTL_SECONDS, CachedSession, LoadedSession, RevocationFloor
from keyturn.core.types import Instant, SessionId
from keyturn.errors import StoreUnavailable
from keyturn.stores.redis.address import Address
from keyturn.stores.redis.circuit_breaker import CircuitBreaker
from keyturn.stores.redis.codec import pack_session, unpack_session
from keyturn.stores.redis.connect import FAILURES, connect, connect_async

DEADLINE_SECONDS = 0.3
"""Past this the database, which is nearby as well, is asked instead."""

CONNECTIONS = 16
_MAC_BYTES = 16
_CONNECTION_ERRORS = (*FAILURES, StoreUnavailable)


class _CacheRecord(msgspec.Struct, array_like=True):
    session: bytes
    generation: int
    not_before: int
    sequence: int
    read_at: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_CacheRecord).decode


class Counts:
    """What became of questions to the cache. Counted without a lock: a few may be missed when threads race."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.failures = 0


class _Cache:
    """What both colours share: the form of a copy, and what to do when Redis is away.

    A copy carries a mac under the server's secret, over its session id and its log, too: whoever can write to Redis
    can make nobody a session, and turn nobody's session into another's.
    """

    def __init__(self, secrets: Secrets, monotonic: Callable[[], float]) -> None:
        self._keys = [Secrets.derive(each, b"copy") for each in secrets.all]
        self.breaker = CircuitBreaker(monotonic)
        self.counts = Counts()

    def _key(self, sid: SessionId, log: int) -> bytes:
        return b"kt:copy:%d:%s" % (log, sid.encode())

    def _pack(self, copy: CachedSession) -> tuple[bytes, bytes]:
        loaded, position = copy.loaded, copy.position
        packed = pack_session(loaded.session)
        floor = loaded.floor
        body = _encode(_CacheRecord(packed, floor.generation, floor.not_before, position.sequence, copy.read_at))
        name = self._key(loaded.session.sid, position.log_id)
        return name, _mac(self._keys[0], name, body) + body

    def _unpack(self, sid: SessionId, log: int, value: bytes | None) -> CachedSession | None:
        """Counts a hit or a miss; what is not ours, or not whole, is a miss."""
        copy = None if value is None else self._authenticate(sid, log, value)
        self.counts.hits += copy is not None
        self.counts.misses += copy is None
        return copy

    def _authenticate(self, sid: SessionId, log: int, value: bytes) -> CachedSession | None:
        name, mac, body = self._key(sid, log), value[:_MAC_BYTES], value[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, name, body)) for key in self._keys):
            return None
        try:
            record = _decode(body)
            session = unpack_session(sid, record.session)
        except (msgspec.MsgspecError, ValueError, StoreUnavailable):  # of another version of Keyturn
            return None
        floor = RevocationFloor(record.generation, Instant(record.not_before))
        return CachedSession(LoadedSession(session, floor), LogCursor(log, record.sequence), Instant(record.read_at))

    def _record_failure(self) -> None:
        self.counts.failures += 1
        self.breaker.record_failure()


class RedisCache(_Cache):
    """``SharedSessionCache`` for threads."""

    def __init__(self, address: Address, secrets: Secrets, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(secrets, monotonic)
        self._address = address
        self._client: Any = None

    def get(self, sid: SessionId, log: int) -> CachedSession | None:
        """A copy read under the log numbered ``log``; ``None`` for whatever else there may be."""
        if not self.breaker.allow():
            return None
        try:
            value = self._redis().get(self._key(sid, log))
        except _CONNECTION_ERRORS:
            self._record_failure()
            return None
        self.breaker.record_success()
        return self._unpack(sid, log, value)

    def put(self, copy: CachedSession) -> None:
        """Keep what the store just answered, for the others."""
        if not self.breaker.allow():
            return
        try:
            self._redis().set(*self._pack(copy), ex=CACHE_TTL_SECONDS)
        except _CONNECTION_ERRORS:
            self._record_failure()
        else:
            self.breaker.record_success()

    def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            self._client.close()

    def _redis(self) -> Any:
        if self._client is None:
            self._client = connect(self._address, deadline_seconds=DEADLINE_SECONDS, connections=CONNECTIONS)
        return self._client


class AsyncRedisCache(_Cache):
    """``SharedSessionCache``, awaited."""

    def __init__(self, address: Address, secrets: Secrets, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(secrets, monotonic)
        self._address = address
        self._client: Any = None
        self._loop: object = None

    async def get(self, sid: SessionId, log: int) -> CachedSession | None:
        """As ``RedisCache.recall``."""
        if not self.breaker.allow():
            return None
        try:
            value = await self._redis().get(self._key(sid, log))
        except _CONNECTION_ERRORS:
            self._record_failure()
            return None
        self.breaker.record_success()
        return self._unpack(sid, log, value)

    async def put(self, copy: CachedSession) -> None:
        """As ``RedisCache.remember``."""
        if not self.breaker.allow():
            return
        try:
            await self._redis().set(*self._pack(copy), ex=CACHE_TTL_SECONDS)
        except _CONNECTION_ERRORS:
            self._record_failure()
        else:
            self.breaker.record_success()

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    def _redis(self) -> Any:
        # A connection belongs to the event loop it was opened in.
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._client = connect_async(self._address, deadline_seconds=DEADLINE_SECONDS, connections=CONNECTIONS)
            self._loop = loop
        return self._client


def _mac(key: bytes, name: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"%d:%s%s" % (len(name), name, body), "sha256")[:_MAC_BYTES]
