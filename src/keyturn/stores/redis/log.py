"""Revocation log in Redis: a stream whose ids are the sequence numbers."""

import secrets
from collections.abc import Callable, Mapping, Sequence

from keyturn.core.log_mark import LogMark
from keyturn.core.revocation import RevocationPage
from keyturn.core.types import Instant
from keyturn.ports import LOG_BITS
from keyturn.stores.redis import scripts
from keyturn.stores.redis.codec import PageFields, unpack_count, unpack_page
from keyturn.stores.redis.keys import COUNTS, LOG, NONCES, PENDING
from keyturn.stores.redis.operation import RedisCall, RedisOperation
from keyturn.stores.validate import check_storable

BATCH = 500
"""Entries read by one script: other callers wait for a millisecond at most."""

_FIRST = b"-"

LogIdSource = Callable[[], int]


def _random_log_id() -> int:
    return secrets.randbits(LOG_BITS)


def append(pairs: Mapping[bytes, bytes]) -> RedisOperation[Sequence[int]]:
    """Append the entries whose nonces the log does not have yet. Return the sequence number of each entry."""
    arguments = tuple(each for pair in pairs.items() for each in pair)
    sequences: Sequence[int] = yield RedisCall(scripts.APPEND, (LOG, COUNTS, NONCES, PENDING), arguments, durable=True)
    return sequences


def trim(now: Instant) -> RedisOperation[None]:
    """Delete expired entries, oldest first, until a batch has none: entries expire nearly in order."""
    last = _FIRST
    while last:
        start = last if last == _FIRST else b"(" + last
        last = yield RedisCall(scripts.TRIM, (LOG, COUNTS, NONCES), (now, start, BATCH))


class Log:
    """``RevocationLog`` in Redis. ``new_log_id``: draws the id of a log that has none."""

    def __init__(self, new_log_id: LogIdSource = _random_log_id) -> None:
        self._log_id = new_log_id

    def after(self, sequence: int, limit: int) -> RedisOperation[RevocationPage]:
        check_storable(sequence)
        appended, purged, log, entries = yield from self._page(sequence, limit)
        complete = purged <= sequence <= appended
        return RevocationPage(entries, entries[-1].sequence if entries else sequence, complete, log)

    def snapshot(self) -> RedisOperation[RevocationPage]:
        # Read the counter first: an entry appended between two reads is then read twice, never missed.
        appended, _, log, entries = yield from self._page(0, BATCH)
        collected = list(entries)
        while len(entries) == BATCH:
            *_, entries = yield from self._page(collected[-1].sequence, BATCH)
            collected.extend(entries)
        return RevocationPage(tuple(collected), max(appended, collected[-1].sequence if collected else 0), log_id=log)

    def sequence(self) -> RedisOperation[int]:
        return unpack_count((yield RedisCall("HGET", (COUNTS,), (b"s",))))

    def mark_restored(self, known: LogMark, now: Instant) -> RedisOperation[bool]:
        """Return False: pages without a ``start`` contradict no mark."""
        yield from ()
        return False

    def clock(self) -> RedisOperation[float]:
        seconds, microseconds = yield RedisCall(scripts.CLOCK, (LOG,))
        return unpack_count(seconds) + unpack_count(microseconds) / 1e6

    def _page(self, sequence: int, limit: int) -> RedisOperation[PageFields]:
        start = b"%d-0" % (max(0, sequence) + 1)
        return unpack_page(*(yield RedisCall(scripts.PAGE, (LOG, COUNTS), (start, limit, self._log_id()))))
