"""One-time values in Redis, in the slot of the revocation log.

A kind has three keys: a hash of its values by digest, a sorted set of the digests by expiry, and a hash that counts its
values per subject. None expires by itself: the clock of Redis deletes no mark. A stored value begins with its number of
uses and the id of the log at its insertion. The id changes with a failover or a restart that may have lost a write:
values with another id than the present one are not found any more.
"""

import secrets
from typing import Final

from keyturn.core.one_time import Insertion, InsertOutcome, OneTimeKind, OneTimeLimits, OneTimeValue
from keyturn.core.types import Instant
from keyturn.ports import LOG_BITS
from keyturn.stores.redis.codec import pack_one_time, unpack_count, unpack_one_time
from keyturn.stores.redis.keys import COUNTS, LOG
from keyturn.stores.redis.operation import RedisCall, RedisOperation
from keyturn.stores.redis.scripts import Script
from keyturn.stores.validate import check_storable

_BATCH: Final = 200
"""Values deleted by one script: other callers wait for a millisecond at most."""

INSERT_VALUE: Final = Script(
    """
if redis.call('HEXISTS', KEYS[1], 'l') == 0 then
  redis.call('HSET', KEYS[1], 'l', ARGV[8])
end
local log = redis.call('HGET', KEYS[1], 'l')
local known = redis.call('HMGET', KEYS[1], ARGV[9], ARGV[10])
if known[1] ~= log then
  redis.call('HSET', KEYS[1], ARGV[9], log, ARGV[10], ARGV[7])
  known[2] = ARGV[7]
end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  return {'exists', known[2]}
elseif redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[6]) then
  return {'full', known[2]}
elseif tonumber(redis.call('HGET', KEYS[4], ARGV[2]) or '0') >= tonumber(ARGV[5]) then
  return {'subject_full', known[2]}
end
redis.call('HSET', KEYS[2], ARGV[1], '0\\0' .. log .. '\\0' .. ARGV[4])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
redis.call('HINCRBY', KEYS[4], ARGV[2], 1)
return {'stored', known[2]}
"""
)
"""KEYS: counters of the log, values, digests by expiry, counts. ARGV: digest, subject, expires_at, value without uses
and log id, limit per subject, limit, now, id for a log that has none, and two fields of the counters: the id of the log
that this kind was last inserted under, and the time of the first insertion under it."""

LOAD_VALUE: Final = Script("return {redis.call('HGET', KEYS[2], ARGV[1]), redis.call('HGET', KEYS[1], 'l')}")
"""KEYS: counters of the log, values. ARGV: digest. Returns the stored value and the id of the log."""

SWAP: Final = Script(
    """
local stored = redis.call('HGET', KEYS[2], ARGV[1])
if not stored then
  return 0
end
local uses, log = string.match(stored, '^(%d)%z(%d+)%z')
if uses ~= ARGV[2] or log ~= redis.call('HGET', KEYS[1], 'l') then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3] .. '\\0' .. log .. '\\0' .. ARGV[4])
return 1
"""
)
"""KEYS: those of LOAD. ARGV: digest, previous uses, uses, value without uses and log id."""

PURGE: Final = Script(
    """
local digests = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, digest in ipairs(digests) do
  local stored = redis.call('HGET', KEYS[1], digest)
  local subject = stored and string.match(stored, '^%d%z%d+%z(%Z*)%z')
  if subject and redis.call('HINCRBY', KEYS[3], subject, -1) <= 0 then
    redis.call('HDEL', KEYS[3], subject)
  end
  redis.call('HDEL', KEYS[1], digest)
  redis.call('ZREM', KEYS[2], digest)
end
return #digests
"""
)
"""KEYS: values, digests by expiry, counts. ARGV: now, limit. Returns the number of deleted values."""


class RedisOneTimeValues:
    """``OneTimeStore`` in Redis."""

    def insert(self, value: OneTimeValue, limits: OneTimeLimits, now: Instant) -> RedisOperation[Insertion]:
        check_storable(now)
        arguments = (
            value.digest,
            value.subject,
            value.expires_at,
            pack_one_time(value),
            limits.per_subject,
            limits.total,
            now,
            secrets.randbits(LOG_BITS),
            f"ol:{value.kind.value}",
            f"os:{value.kind.value}",
        )
        outcome, complete_since = yield RedisCall(INSERT_VALUE, (COUNTS, *_keys(value.kind)), arguments, durable=True)
        return Insertion(InsertOutcome(outcome.decode()), Instant(unpack_count(complete_since)))

    def load(self, kind: OneTimeKind, digest: bytes) -> RedisOperation[OneTimeValue | None]:
        stored, log_id = yield RedisCall(LOAD_VALUE, (COUNTS, _keys(kind)[0]), (digest,))
        return None if stored is None else unpack_one_time(kind, digest, stored, log_id)

    def replace(self, value: OneTimeValue) -> RedisOperation[bool]:
        arguments = (value.digest, value.uses - 1, value.uses, pack_one_time(value))
        return bool((yield RedisCall(SWAP, (COUNTS, _keys(value.kind)[0]), arguments, durable=True)))

    def purge(self, now: Instant) -> RedisOperation[int]:
        check_storable(now)
        total = 0
        for kind in OneTimeKind:
            deleted = _BATCH
            while deleted == _BATCH:
                deleted = yield RedisCall(PURGE, _keys(kind), (now, _BATCH))
                total += deleted
        return total


def _keys(kind: OneTimeKind) -> tuple[bytes, bytes, bytes]:
    """Return the keys of the values, of their digests by expiry and of their counts per subject."""
    prefix = LOG + b"1" + kind.value.encode()
    return prefix + b":v", prefix + b":x", prefix + b":n"
