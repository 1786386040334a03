"""Relay: carries the revocation log into a Redis stream, for verifiers that reach Redis; the log itself stays in SQL.

Any number of relays work at once: each entry has its sequence number as its id in the stream, so the second to append
it appends nothing. Between entries there are *beats*. A beat names the id that was the last in the stream *before* its
relay read the log. Who saw that id appear after asking for news knows, comparing no clocks, that the log was read later
than he asked, and that everything which was in it then is in the stream before the beat.
"""

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Any, Final

import msgspec

from keyturn.core.revocation import Revocation, RevocationPage
from keyturn.stores.redis.address import Address
from keyturn.stores.redis.circuit_breaker import CircuitBreaker
from keyturn.stores.redis.connect import connect, error_summary

POINTER: Final = b"{kt:feed}"
"""Number of the log whose stream is to be read. All keys of the feed lie in one slot."""

PAGE: Final = 500
TRIM_EVERY_SECONDS: Final = 60.0
DEADLINE_SECONDS: Final = 3.0

_STREAM_START: Final = b"0-0"
_MAX_NUMBER: Final = 2**53
"""Of a number in a script; no log comes so far."""

# A Redis that restarted or failed over may have lost ids and give them out again: what was read before that says
# nothing, so the relay is sent back. One beat per interval is enough, whoever makes it; an older beat of the same
# place says nothing any more.
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
if #ARGV >= 6 or redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[4]) then
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
    """Key of the stream of the log numbered ``log``."""
    return b"{kt:feed}:%d" % log


class Relay:
    """One per process; ``run`` is the body of a thread. ``log``: the revocation log, not awaited.

    ``interval_seconds``: between two beats, a fraction of the staleness bound.
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
        self._wakeup = Event()

    def wake(self) -> None:
        """There may be news. Never waits."""
        self._wakeup.set()

    def run(self, stop: Event) -> None:
        """Relay until ``stop`` is set and the bell rung."""
        while not stop.is_set():
            self._wakeup.clear()
            has_more = False
            if self.breaker.allow():
                try:
                    has_more = self.relay_once()
                except Exception as error:  # whatever it is, the next try may succeed; verifiers have another carrier
                    self._record_failure(error)
            if not has_more:
                self._wakeup.wait(self._interval_seconds)

    def relay_once(self) -> bool:
        """Carry over one page. Answers whether there is more. Raises what Redis and the log raise."""
        client = self._redis()
        if self._log_id is None:
            # Nothing is known of the stream: the script will say where it is.
            self._log_id, self._server_id = self._log.after(0, 1).log_id, b""
        page: RevocationPage | None = (
            None if _is_impossible(self._last) else self._log.after(_stream_id(self._last), PAGE)
        )
        if page is None or (not page.complete and _stream_id(self._last) > self._log.sequence()):
            self._reset_stream(client)
            return True
        if page.log_id != self._log_id:
            self._log_id = None
            return True
        is_in_sync = self._append_page(page)
        self.breaker.record_success()
        if self._monotonic() - self._trimmed_at >= TRIM_EVERY_SECONDS:
            self._trim(client)
        return not is_in_sync or len(page.entries) == PAGE

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _append_page(self, page: RevocationPage) -> bool:
        """Whether the stream was where this relay believed it to be; it is told where it is."""
        stream = stream_of(page.log_id)
        pairs = [value for each in page.entries for value in (each.sequence, _encode_entry(each))]
        # A little less than the interval: else the one who beats would be kept from the next by his own last.
        lease = int(900 * self._interval_seconds)
        arguments = (page.log_id, _stream_id(self._last), self._last, lease, self._server_id, *pairs)
        is_appended, self._last, self._server_id = self._append([stream, POINTER, stream + b":beat"], arguments)
        return bool(is_appended)

    def _reset_stream(self, client: Any) -> None:
        """The stream is ahead of the log: that went back in time, or somebody else wrote to the stream. A beat there
        would vouch for what nobody has read, and entries to come would be taken for told (P4)."""
        _logger.error("the stream in Redis is ahead of the revocation log: it is made anew")
        stream = stream_of(self._log_id or 0)
        client.delete(stream, stream + b":beat", POINTER)
        self._last = _STREAM_START

    def _trim(self, client: Any) -> None:
        # The first that is alive: what lies before it stops nothing any more.
        oldest = self._log.after(0, 1).entries
        first = oldest[0].sequence if oldest else _stream_id(self._last)
        client.xtrim(stream_of(self._log_id or 0), minid=first, approximate=False)
        self._trimmed_at = self._monotonic()

    def _record_failure(self, error: Exception) -> None:
        if not self.breaker.is_open:
            _logger.warning("revocations are not relayed to Redis: %s", error_summary(error))
        self.breaker.record_failure()
        self._log_id = None
        self.close()
        self._client = None

    def _redis(self) -> Any:
        if self._client is None:
            self._client = connect(self._address, deadline_seconds=DEADLINE_SECONDS, connections=2)
            self._append = self._client.register_script(_APPEND)
        return self._client


def _encode_entry(entry: Revocation) -> bytes:
    return _encode((entry.kind.value, entry.key, entry.value, entry.at, entry.expires_at))


def _is_impossible(last: bytes) -> bool:
    return any(int(each) > _MAX_NUMBER for each in last.split(b"-"))


def _stream_id(last: bytes) -> int:
    return int(last.partition(b"-")[0])
