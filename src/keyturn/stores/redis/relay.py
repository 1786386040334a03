"""Relay of the revocation log from SQL to a Redis stream, for verifiers with access to Redis.

Any number of relays may run at once: an entry's sequence number is its id in the stream, so a second append of it has
no effect. Between entries there are *heartbeats*. A heartbeat names the stream id that was last when its relay began to
read the log. A reader that polled before that id appeared therefore knows that the log was read after its poll: every
revocation committed by then precedes the heartbeat. No clocks are compared.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from keyturn.core.feed import Event, LogCursor, Progress, State
from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.feed_schema import StreamEntry
from keyturn.stores.redis.address import Address
from keyturn.stores.redis.circuit_breaker import CircuitBreaker
from keyturn.stores.redis.connect import connect, redis_error_summary

POINTER: Final = b"{kt:feed}"
"""Key with the id of the log whose stream is current. All keys of the feed lie in one slot."""

PAGE_ENTRIES: Final = 500
TRIM_EVERY_SECONDS: Final = 60.0
_DEADLINE_SECONDS: Final = 3.0

_STREAM_START: Final = b"0-0"
_MAX_NUMBER: Final = 2**53
"""Largest exact integer in a Lua script; no log gets this long."""

# A Redis that restarted or failed over may have lost ids and may reuse them, so earlier reads are invalid: the script
# returns the current position and the relay starts again from it. One heartbeat per interval is enough, from any relay;
# it replaces the last heartbeat after the same entry.
_APPEND = """
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
local server_id = string.match(info, 'run_id:(%w+)') .. string.match(info, 'master_replid:(%w+)')
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local last = top[1] and top[1][1] or '0-0'
local sequence, counter = string.match(last, '(%d+)-(%d+)')
if server_id ~= ARGV[5] or sequence ~= ARGV[2] then return {0, last, server_id} end
for i = 6, #ARGV, 2 do
  last = redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'e', ARGV[i + 1])
  sequence, counter = ARGV[i], '0'
end
if ARGV[4] ~= '0' and (#ARGV >= 6 or redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[4])) then
  local heartbeat = redis.call('XADD', KEYS[1], sequence .. '-' .. (tonumber(counter) + 1), 'b', ARGV[3])
  if counter ~= '0' then redis.call('XDEL', KEYS[1], last) end
  last = heartbeat
end
redis.call('SET', KEYS[2], ARGV[1])
return {1, last, server_id}
"""

_logger = logging.getLogger("keyturn.feed")
_encode = msgspec.json.Encoder().encode


def stream_of(log: int) -> bytes:
    """Return the stream's key for the log id ``log``."""
    return b"{kt:feed}:%d" % log


class Relay:
    """Relay of one process; execute ``run`` in a thread. ``log``: the sync revocation log.

    ``interval_seconds``: time between two heartbeats, a fraction of the staleness bound.
    """

    def __init__(
        self,
        log: Any,
        address: Address,
        interval_seconds: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._address = address
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self.breaker = CircuitBreaker(monotonic)
        self._client: Any = None
        self._append: Any = None
        self._log_id: int | None = None
        self._last = _STREAM_START
        self._server_id = b""
        self._trimmed_at = float("-inf")
        self._wakeup = threading.Event()

    def wake(self) -> None:
        """Wake the relay after a new entry. Does not block."""
        self._wakeup.set()

    def run(self, stop: threading.Event) -> None:
        """Relay until ``stop`` is set; call ``wake`` after setting it."""
        while not stop.is_set():
            self._wakeup.clear()
            has_more = False
            if self.breaker.allow():
                try:
                    has_more = self.relay_once()
                except Exception as error:  # the next attempt may succeed; verifiers have another transport
                    self._record_failure(error)
            if not has_more:
                self._wakeup.wait(self._interval_seconds)

    def relay_once(self) -> bool:
        """Relay one page. Return True if there may be more. Raises the errors of Redis and the log."""
        client = self._redis()
        if self._log_id is None:
            # The stream's position is unknown: the script returns it.
            log_id: int = self._log.after(0, 1).log_id
            self._log_id, self._server_id = log_id, b""
        after = _stream_id(self._last)
        page: RevocationPage | None = None if _is_impossible(self._last) else self._log.after(after, PAGE_ENTRIES)
        event = page and Progress(State.FOLLOWING, LogCursor(self._log_id, after)).event(page.extent(after))
        if page is None or (event is Event.PURGE and after > self._log.sequence()):
            self._reset_stream(client)
            return True
        if page.suspended_before:
            return False  # the feed is withheld until an operator decides on the restored database
        if event is Event.ANOTHER_LOG:
            self._log_id, self._last = None, _STREAM_START
            return True
        is_in_sync = self._append_page(page)
        self.breaker.record_success()
        if self._monotonic() - self._trimmed_at >= TRIM_EVERY_SECONDS:
            self._trim(client)
        return not is_in_sync or len(page.entries) == PAGE_ENTRIES

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _append_page(self, page: RevocationPage) -> bool:
        """Append a page and a heartbeat. Return False if the stream was at another position, which is then known."""
        stream = stream_of(page.log_id)
        pairs = [value for each in page.entries for value in (each.sequence, _encode_entry(each))]
        # A little less than the interval: otherwise a relay's own lease would suppress its next heartbeat.
        # No heartbeat after a full page: entries committed before it may still be missing from the stream (P4).
        lease = 0 if len(page.entries) == PAGE_ENTRIES else int(900 * self._interval_seconds)
        arguments = (page.log_id, _stream_id(self._last), self._last, lease, self._server_id, *pairs)
        is_appended, self._last, self._server_id = self._append([stream, POINTER, stream + b":beat"], arguments)
        return bool(is_appended)

    def _reset_stream(self, client: Any) -> None:
        """Delete a stream that is ahead of the log: the log was restored, or a third party wrote to the stream.

        A heartbeat in it would prove nothing, and readers would skip the entries to come (P4).
        """
        _logger.error("the stream in Redis is ahead of the revocation log: it is deleted and written again")
        stream = stream_of(self._log_id or 0)
        client.delete(stream, stream + b":beat", POINTER)
        self._last = _STREAM_START

    def _trim(self, client: Any) -> None:
        # Entries before the log's oldest have expired.
        oldest = self._log.after(0, 1).entries
        first = oldest[0].sequence if oldest else _stream_id(self._last)
        client.xtrim(stream_of(self._log_id or 0), minid=first, approximate=False)
        self._trimmed_at = self._monotonic()

    def _record_failure(self, error: Exception) -> None:
        if not self.breaker.is_open:
            _logger.warning("revocations are not relayed to Redis: %s", redis_error_summary(error))
        self.breaker.record_failure()
        self._log_id = None
        self.close()
        self._client = None

    def _redis(self) -> Any:
        if self._client is None:
            self._client = connect(self._address, deadline_seconds=_DEADLINE_SECONDS, connections=2)
            self._append = self._client.register_script(_APPEND)
        return self._client


def _encode_entry(entry: Revocation) -> bytes:
    return _encode(StreamEntry(entry.kind, entry.key, entry.value, entry.at, entry.expires_at))


def _is_impossible(last: bytes) -> bool:
    return any(int(each) > _MAX_NUMBER for each in last.split(b"-"))


def _stream_id(last: bytes) -> int:
    return int(last.partition(b"-")[0])
