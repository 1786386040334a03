"""Session cache in Redis, shared by all processes of an issuer. Losing it costs only time."""

import asyncio
import hmac
import time
from collections.abc import Callable

import msgspec

from keyturn.core.feed import LogCursor
from keyturn.core.sealed import Secrets
from keyturn.core.session import CACHE_TTL_SECONDS, CachedSession, LoadedSession, RevocationFloor
from keyturn.core.types import Instant, SessionId
from keyturn.errors import StoreUnavailable
from keyturn.stores.redis.address import Address
from keyturn.stores.redis.circuit_breaker import CircuitBreaker
from keyturn.stores.redis.codec import pack_session, unpack_session
from keyturn.stores.redis.connect import FAILURES, AsyncRedisClient, RedisClient, connect, connect_async

CACHE_DEADLINE_SECONDS = 0.3
"""Timeout of a cache call; the session is then loaded from the store."""

_CONNECTIONS = 16
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
    """Counters of cache results. Counted without a lock: a race may lose a few increments."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.failures = 0


class _Cache:
    """Base of the sync and async caches: encoding of a copy, and circuit breaker.

    A copy carries a MAC under the server's secret that covers the session id and the log id too. An attacker with write
    access to Redis can therefore neither forge a session nor swap two sessions.
    """

    def __init__(self, secrets: Secrets, monotonic: Callable[[], float]) -> None:
        self._keys = [Secrets.derive(each, b"copy") for each in secrets.all]
        self.breaker = CircuitBreaker(monotonic)
        self.counts = Counts()

    def _key(self, sid: SessionId, log_id: int) -> bytes:
        return b"kt:copy:%d:%s" % (log_id, sid.encode())

    def _pack(self, copy: CachedSession) -> tuple[bytes, bytes]:
        loaded, position = copy.loaded, copy.position
        packed = pack_session(loaded.session)
        floor = loaded.floor
        body = _encode(_CacheRecord(packed, floor.generation, floor.not_before, position.sequence, copy.read_at))
        name = self._key(loaded.session.sid, position.log_id)
        return name, _mac(self._keys[0], name, body) + body

    def _unpack(self, sid: SessionId, log_id: int, value: bytes | None) -> CachedSession | None:
        """Authenticate and decode a value, and count a hit or a miss. A forged or damaged value is a miss."""
        copy = None if value is None else self._authenticate(sid, log_id, value)
        self.counts.hits += copy is not None
        self.counts.misses += copy is None
        return copy

    def _authenticate(self, sid: SessionId, log_id: int, value: bytes) -> CachedSession | None:
        name, mac, body = self._key(sid, log_id), value[:_MAC_BYTES], value[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, name, body)) for key in self._keys):
            return None
        try:
            record = _decode(body)
            session = unpack_session(sid, record.session)
        except (msgspec.MsgspecError, ValueError, StoreUnavailable):  # written by another version of Keyturn
            return None
        floor = RevocationFloor(record.generation, Instant(record.not_before))
        return CachedSession(LoadedSession(session, floor), LogCursor(log_id, record.sequence), Instant(record.read_at))

    def _record_failure(self) -> None:
        self.counts.failures += 1
        self.breaker.record_failure()


class RedisCache(_Cache):
    """Thread-safe ``SharedSessionCache`` in Redis."""

    def __init__(self, address: Address, secrets: Secrets, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(secrets, monotonic)
        self._address = address
        self._client: RedisClient | None = None

    def get(self, sid: SessionId, log_id: int) -> CachedSession | None:
        """Return a copy read under the log id ``log_id``, or None for a miss or an error."""
        if not self.breaker.allow():
            return None
        try:
            value = self._redis().get(self._key(sid, log_id))
        except _CONNECTION_ERRORS:
            self._record_failure()
            return None
        self.breaker.record_success()
        return self._unpack(sid, log_id, value)

    def put(self, copy: CachedSession) -> None:
        """Store a copy of a session just loaded from the store, for the other processes."""
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

    def _redis(self) -> RedisClient:
        if self._client is None:
            self._client = connect(self._address, deadline_seconds=CACHE_DEADLINE_SECONDS, connections=_CONNECTIONS)
        return self._client


class AsyncRedisCache(_Cache):
    """Async ``SharedSessionCache`` in Redis."""

    def __init__(self, address: Address, secrets: Secrets, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(secrets, monotonic)
        self._address = address
        self._client: AsyncRedisClient | None = None
        self._loop: object = None

    async def get(self, sid: SessionId, log_id: int) -> CachedSession | None:
        """Return a copy; see ``RedisCache.get``."""
        if not self.breaker.allow():
            return None
        try:
            value = await self._redis().get(self._key(sid, log_id))
        except _CONNECTION_ERRORS:
            self._record_failure()
            return None
        self.breaker.record_success()
        return self._unpack(sid, log_id, value)

    async def put(self, copy: CachedSession) -> None:
        """Store a copy; see ``RedisCache.put``."""
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

    def _redis(self) -> AsyncRedisClient:
        # A connection belongs to the event loop that opened it.
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._client = connect_async(
                self._address, deadline_seconds=CACHE_DEADLINE_SECONDS, connections=_CONNECTIONS
            )
            self._loop = loop
        return self._client


def _mac(key: bytes, name: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"%d:%s%s" % (len(name), name, body), "sha256")[:_MAC_BYTES]
