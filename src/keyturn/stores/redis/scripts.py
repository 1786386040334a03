"""Lua scripts for the atomic steps: read with marks, compare and swap, increment, append. They make no decisions.

The marks of a partition, its generations and not-befores, are one hash with these fields. ``g`` and a subject: the
subject's generation. ``c`` and a client id: the client's not-before. ``e``: the not-before of everything. ``h``: the
horizon, up to which expired sessions count as deleted. ``w``: written only to be waited for. The outbox of a partition
holds entries until they are in the log, each under a random nonce.
"""

from dataclasses import dataclass, field
from hashlib import sha1


@dataclass(frozen=True, slots=True)
class Script:
    """Script, called by ``digest``; its ``source`` is sent to a server that does not have it."""

    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        # Redis identifies a script by its SHA-1; no security depends on it.
        object.__setattr__(self, "digest", sha1(self.source.encode(), usedforsecurity=False).hexdigest())


_IS_EXPIRED = """
local function is_expired(expires_at, horizon)
  return horizon and expires_at <= tonumber(horizon)
end
"""

_INDEX_SESSION = """
local function index_session(index, member, created_at, milliseconds, is_active)
  if is_active == '0' then
    redis.call('ZREM', index, member)
    return
  end
  redis.call('ZADD', index, created_at, member)
  if redis.call('PTTL', index) < tonumber(milliseconds) then
    redis.call('PEXPIRE', index, milliseconds)
  end
end
"""

LOAD = Script(
    _IS_EXPIRED
    + """
local pending = {}
if redis.call('EXISTS', KEYS[3]) == 1 then
  pending = redis.call('HGETALL', KEYS[3])
end
local value = redis.call('GET', KEYS[1])
if not value then
  return {false, pending}
end
local _, _, subject, client_id, expires_at = cmsgpack.unpack_limit(value, 4, 3)
local marks = redis.call('HMGET', KEYS[2], 'h', 'g' .. subject, 'e', 'c' .. client_id)
if is_expired(expires_at, marks[1]) then
  return {false, pending}
end
return {value, pending, marks[2], marks[3], marks[4]}
"""
)
"""KEYS: session, marks, outbox."""

INSERT = Script(
    _INDEX_SESSION
    + """
if not redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4], 'NX') then
  return 0
end
for _, oldest in ipairs(redis.call('ZRANGE', KEYS[2], 0, 1)) do
  if redis.call('EXISTS', ARGV[6] .. oldest) == 0 then
    redis.call('ZREM', KEYS[2], oldest)
  end
end
index_session(KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1
"""
)
"""KEYS: session, list. ARGV: value, member, created_at, milliseconds, is_active, prefix of session keys."""

_SWAP = (
    _IS_EXPIRED
    + _INDEX_SESSION
    + """
local function swap()
  local stored = redis.call('GET', KEYS[1])
  if not stored then
    return false
  end
  local _, version, _, _, expires_at = cmsgpack.unpack_limit(stored, 4, 3)
  if version ~= tonumber(ARGV[6]) or is_expired(expires_at, redis.call('HGET', KEYS[3], 'h')) then
    return false
  end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
  index_session(KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
  return true
end
"""
)

REPLACE = Script(
    _SWAP
    + """
if not swap() then
  return 0
end
if ARGV[7] then
  redis.call('HSET', KEYS[4], ARGV[7], ARGV[8])
end
return 1
"""
)
"""KEYS: session, list, marks, outbox. ARGV: those of INSERT without the last, the previous version, and optionally
nonce and text of an entry."""

WAIT_DURABLE = Script(
    """
local stored = redis.call('GET', KEYS[1])
if not stored then
  return 0
end
local _, version = cmsgpack.unpack_limit(stored, 1, 3)
if version ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[2], 'w', '')
return 1
"""
)
"""KEYS: session, marks. ARGV: its version. Writes a field, so that WAIT covers that write and all before it."""

INCREMENT_GENERATION = Script(
    """
local generation = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('HSET', KEYS[2], ARGV[2], 'subject\\0' .. generation .. '\\0' .. ARGV[3])
return {generation, redis.call('HGETALL', KEYS[2])}
"""
)
"""KEYS: marks, outbox. ARGV: field of the generation, nonce, entry without kind and value. Returns the generation and
the outbox, so that the increments of a subject are logged in the order of their generations."""

INCREMENT_AND_KEEP = Script(
    _SWAP
    + """
local generation = tonumber(redis.call('HGET', KEYS[3], ARGV[7]) or '0')
if generation ~= tonumber(ARGV[10]) or not swap() then
  return {0, {}}
end
generation = redis.call('HINCRBY', KEYS[3], ARGV[7], 1)
redis.call('HSET', KEYS[4], ARGV[8], 'subject\\0' .. generation .. '\\0' .. ARGV[9])
return {generation, redis.call('HGETALL', KEYS[4])}
"""
)
"""KEYS: those of REPLACE. ARGV: those of REPLACE without an entry, those of INCREMENT_GENERATION, the current
generation."""

RAISE_NOT_BEFORE = Script(
    """
local current = redis.call('HGET', KEYS[1], ARGV[1])
if not current or tonumber(current) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return redis.call('HGETALL', KEYS[2])
"""
)
"""KEYS: marks, outbox. ARGV: field of the marks, minimum value. Returns the outbox."""

LIST = Script(
    _IS_EXPIRED
    + """
local marks = redis.call('HMGET', KEYS[2], 'h', ARGV[3], 'e')
local clients, result = {}, {}
for _, member in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
  local value = redis.call('GET', ARGV[2] .. member)
  if not value then
    redis.pcall('ZREM', KEYS[1], member) -- a Redis that is full can still be read
  else
    local _, _, _, client_id, expires_at = cmsgpack.unpack_limit(value, 4, 3)
    if not is_expired(expires_at, marks[1]) then
      if clients[client_id] == nil then
        clients[client_id] = redis.call('HGET', KEYS[2], 'c' .. client_id)
      end
      result[#result + 1] = {member, value, marks[2], marks[3], clients[client_id]}
      if #result == tonumber(ARGV[1]) then
        break
      end
    end
  end
end
return result
"""
)
"""KEYS: list, marks. ARGV: limit, prefix of session keys, field of the generation."""

APPEND = Script(
    """
local sequences = {}
for n = 1, #ARGV, 2 do
  local sequence = redis.call('HGET', KEYS[3], ARGV[n])
  if not sequence then
    sequence = redis.call('HINCRBY', KEYS[2], 's', 1)
    redis.call('XADD', KEYS[1], string.format('%d-0', sequence), 'n', ARGV[n], 'e', ARGV[n + 1])
  end
  redis.call('HSET', KEYS[3], ARGV[n], sequence)
  redis.call('HDEL', KEYS[4], ARGV[n])
  sequences[#sequences + 1] = tonumber(sequence)
end
return sequences
"""
)
"""KEYS: log, its counters, its nonces, pending not-befores. ARGV: pairs of nonce and entry. An entry that the log has
is not appended again, but its nonce is written again, so that WAIT covers it."""

PAGE = Script(
    """
if redis.call('HEXISTS', KEYS[2], 'l') == 0 then
  redis.call('HSET', KEYS[2], 'l', ARGV[3])
end
local counts = redis.call('HMGET', KEYS[2], 's', 'p', 'l')
local page = {}
for n, each in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  page[n] = {each[1], each[2][4]}
end
return {counts[1] or '0', counts[2] or '0', counts[3], page}
"""
)
"""KEYS: log, its counters. ARGV: first id, limit, id for a log that has none. Writes nothing but that id, so that a
Redis that is full or lacks replicas can still be read."""

IDENTIFY = Script(
    """
local counts = redis.call('HMGET', KEYS[1], 'i', 's', 'p', 'l')
local last = tonumber(counts[2] or '0') or 0
local lost = last > (tonumber(counts[3] or '0') or 0) and redis.call('EXISTS', KEYS[2]) == 0
if counts[1] ~= ARGV[1] or lost then
  redis.call('HSET', KEYS[1], 'i', ARGV[1])
  if lost then redis.call('HSET', KEYS[1], 'p', string.format('%d', last)) end
  if ARGV[3] == '1' or lost or not counts[4] then redis.call('HSET', KEYS[1], 'l', ARGV[2]) end
end
if ARGV[4] ~= '' then redis.call('HSETNX', KEYS[1], 'd', ARGV[4]) end
return redis.call('HGET', KEYS[1], 'l')
"""
)
"""KEYS: counters of the log, the log. ARGV: identity of this Redis, new log id, 1 if an identity was stored before, id
of the database if known. The new log id is used if the identity changed, or if entries are missing that were not
purged. Returns the current log id."""

PROBE = Script(
    """
redis.call('HSET', KEYS[1], 'f', '1')
redis.call('HINCRBY', KEYS[1], 'f', 1)
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], 1, 'm')
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[1], '1-0', 'f', '')
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], '', 'PX', 1000)
redis.call('DEL', KEYS[1])
return 1
"""
)
"""KEYS: one that is used for nothing else. Writes as the other scripts do, and leaves nothing."""

TRIM = Script(
    """
local page = redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', ARGV[3])
local ids, nonces, purged = {}, {}, 0
for _, each in ipairs(page) do
  local expires_at = string.match(each[2][4], '^%Z*%z%Z*%z%Z*%z(%Z*)%z')
  if tonumber(expires_at) <= tonumber(ARGV[1]) then
    ids[#ids + 1], nonces[#nonces + 1] = each[1], each[2][2]
    purged = tonumber(string.match(each[1], '^%d+'))
  end
end
if #ids == 0 then
  return ''
end
redis.call('XDEL', KEYS[1], unpack(ids))
redis.call('HDEL', KEYS[3], unpack(nonces))
if tonumber(redis.call('HGET', KEYS[2], 'p') or '0') < purged then
  redis.call('HSET', KEYS[2], 'p', string.format('%d', purged))
end
return #page == tonumber(ARGV[3]) and page[#page][1] or ''
"""
)
"""KEYS: log, its counters, its nonces. ARGV: now, first id, limit. Returns the last id read if an entry was deleted and
there may be more, else an empty string."""

CLOCK = Script("return redis.call('TIME')")
"""KEYS: log, whose server is asked. Returns seconds and microseconds."""
