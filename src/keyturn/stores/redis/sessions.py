"""Sessions, generations and not-befores in Redis."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from keyturn.core.revocation import GenerationIncrement, Revocation, RevocationKind
from keyturn.core.session import LoadedSession, RevocationFloor, Session
from keyturn.core.session_id import encode_session_id
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.ports import MAX_LISTED
from keyturn.stores.redis import scripts
from keyturn.stores.redis.codec import (
    pack_entry,
    pack_rest,
    pack_session,
    unpack_entry,
    unpack_floor,
    unpack_session,
)
from keyturn.stores.redis.keys import ALL_PARTITIONS, PENDING, Partition, generation_of, locate, partition_for
from keyturn.stores.redis.log import append, trim
from keyturn.stores.redis.operation import RedisCall, RedisOperation, Word
from keyturn.stores.validate import check_storable

_LINGER_SECONDS = 3 * 3600
"""Shortest time to keep a session after its expiry, by Redis's clock, which is not used for decisions.

A Redis whose clock is ahead by less deletes no session that is alive.
"""

MAX_LIFETIME_SECONDS = 10 * 365 * 86400
NONCE_BYTES = 8

Nonces = Callable[[], bytes]


def _nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)


class Sessions:
    """``SessionStore`` in Redis.

    ``nonce``: returns unique random bytes. ``needs_replicas``: a write is acknowledged only after replicas have
    confirmed it.
    """

    def __init__(self, nonce: Nonces = _nonce, *, needs_replicas: bool = False) -> None:
        self._nonce = nonce
        self._needs_replicas = needs_replicas

    def insert(self, session: Session) -> RedisOperation[None]:
        partition, handle = _locate(session)
        keys = (partition.session(handle), partition.list(session.subject))
        call = RedisCall(
            scripts.INSERT, keys, (*_session_arguments(session, handle), partition.session_prefix), durable=True
        )
        if not (yield call):
            raise ValueError("session id taken")

    def load(self, sid: SessionId) -> RedisOperation[LoadedSession | None]:
        location = locate(sid)
        if location is None:
            return None
        partition, handle = location
        value, pending, *floor = yield RedisCall(
            scripts.LOAD, (partition.session(handle), partition.marks, partition.outbox)
        )
        session = None if value is None else unpack_session(sid, value)
        if pending:
            yield from _confirm_durable(partition, _pairs(pending), {str(sid), session.subject if session else ""})
        return None if session is None else LoadedSession(session, unpack_floor(*floor), not self._needs_replicas)

    def revocation_floor(self, subject: Subject, client_id: str) -> RedisOperation[RevocationFloor]:
        partition = partition_for(subject)
        check_storable(client_id)
        names = (generation_of(subject), b"e", b"c" + client_id.encode())
        return unpack_floor(*(yield RedisCall("HMGET", (partition.marks,), names)))

    def replace(self, session: Session, entry: Revocation | None = None) -> RedisOperation[int | None]:
        partition, handle = _locate(session)
        pairs = {} if entry is None else {self._nonce(): pack_entry(entry)}
        arguments = (*_session_arguments(session, handle), session.version - 1, *_flat(pairs))
        if not (yield RedisCall(scripts.REPLACE, _swap(partition, handle, session), arguments, durable=True)):
            return None
        return 0 if entry is None else (yield from _append_outbox(partition, pairs))[0]

    def wait_durable(self, session: Session) -> RedisOperation[bool]:
        partition, handle = _locate(session)
        keys = (partition.session(handle), partition.marks)
        return bool((yield RedisCall(scripts.WAIT_DURABLE, keys, (session.version,), durable=True)))

    def increment_generation(self, increment: GenerationIncrement) -> RedisOperation[Revocation]:
        partition, nonce, rest = partition_for(increment.subject), self._nonce(), _rest(increment)
        arguments = (generation_of(increment.subject), nonce, rest)
        generation, outbox = yield RedisCall(
            scripts.INCREMENT_GENERATION, (partition.marks, partition.outbox), arguments, durable=True
        )
        return (yield from _increment(partition, increment, generation, nonce, _pairs(outbox)))

    def increment_generation_and_keep(
        self, increment: GenerationIncrement, keep_session: Session | None
    ) -> RedisOperation[Revocation | None]:
        """Raise the generation and move ``keep_session`` to it. Return None, without effect, if its swap lost."""
        if keep_session is None:
            return (yield from self.increment_generation(increment))
        if keep_session.subject != increment.subject:
            return None
        (partition, handle), nonce, rest = _locate(keep_session), self._nonce(), _rest(increment)
        session_arguments = _session_arguments(replace(keep_session, generation=keep_session.generation + 1), handle)
        name = generation_of(keep_session.subject)
        arguments = (*session_arguments, keep_session.version - 1, name, nonce, rest, keep_session.generation)
        keys = _swap(partition, handle, keep_session)
        generation, outbox = yield RedisCall(scripts.INCREMENT_AND_KEEP, keys, arguments, durable=True)
        if not generation:
            return None
        return (yield from _increment(partition, increment, generation, nonce, _pairs(outbox)))

    def raise_not_before(self, entry: Revocation) -> RedisOperation[Revocation]:
        if entry.kind not in (RevocationKind.CLIENT, RevocationKind.EVERYTHING):
            raise ValueError("a not-before needs the kind CLIENT or EVERYTHING")
        pairs = {self._nonce(): pack_entry(entry)}
        # Record the intent first, so that any process's purge can finish an interrupted call.
        yield RedisCall("HSET", (PENDING,), _flat(pairs), durable=True)
        (sequence,) = yield from _apply_not_before(entry, pairs)
        return replace(entry, sequence=sequence)

    def last_use(self, client_id: str | None) -> RedisOperation[Instant]:
        # Only a search of all keys could tell. Redis has a clock of its own, which dates the sessions.
        yield from ()
        return EPOCH

    def list(self, subject: Subject) -> RedisOperation[Sequence[LoadedSession]]:
        partition = partition_for(subject)
        arguments = (MAX_LISTED, partition.session_prefix, generation_of(subject))
        rows = yield RedisCall(scripts.LIST, (partition.list(subject), partition.marks), arguments)
        sessions = [_unpack_listed(partition, *each) for each in rows]
        return sorted(sessions, key=lambda each: (-each.session.created_at, each.session.sid))

    def purge(self, now: Instant) -> RedisOperation[int]:
        check_storable(now)
        calls = [
            RedisCall(scripts.RAISE_NOT_BEFORE, (partition.marks, partition.outbox), (b"h", now))
            for partition in ALL_PARTITIONS
        ]
        # Finish the interrupted calls of other processes: never acknowledged, but readers of the log should see them.
        for partition, pending in zip(ALL_PARTITIONS, (yield calls), strict=True):
            if pending:
                yield from _append_outbox(partition, _pairs(pending))
        for nonce, text in (yield RedisCall("HGETALL", (PENDING,))).items():
            yield from _apply_not_before(unpack_entry(0, text), {nonce: text})
        yield from trim(now)
        return 0


def _locate(session: Session) -> tuple[Partition, bytes]:
    location = locate(session.sid)
    if location is None or location[0] is not partition_for(session.subject):
        raise ValueError("the session id belongs to another partition than the subject")
    return location


def _session_arguments(session: Session, handle: bytes) -> tuple[Word, ...]:
    """Return value, member, created_at, milliseconds and is_active for a script."""
    lifetime = max(0, session.expires_at - session.last_seen_at)
    milliseconds = 1000 * min(lifetime + _LINGER_SECONDS, MAX_LIFETIME_SECONDS)
    return (pack_session(session), handle[1:], session.created_at, milliseconds, int(session.ended_at is None))


def _swap(partition: Partition, handle: bytes, session: Session) -> tuple[bytes, ...]:
    return partition.session(handle), partition.list(session.subject), partition.marks, partition.outbox


def _unpack_listed(partition: Partition, member: bytes, value: bytes, *marks: bytes | None) -> LoadedSession:
    sid = SessionId(encode_session_id(bytes((int(partition.session_prefix[1:3], 16),)) + member))
    return LoadedSession(unpack_session(sid, value), unpack_floor(*marks))


def _apply_not_before(entry: Revocation, pairs: Mapping[bytes, bytes]) -> RedisOperation[Sequence[int]]:
    name = b"c" + entry.key.encode() if entry.kind is RevocationKind.CLIENT else b"e"
    yield [
        RedisCall(scripts.RAISE_NOT_BEFORE, (partition.marks, partition.outbox), (name, entry.value), durable=True)
        for partition in ALL_PARTITIONS
    ]
    return (yield from append(pairs))


def _increment(
    partition: Partition, increment: GenerationIncrement, generation: int, nonce: bytes, outbox: Mapping[bytes, bytes]
) -> RedisOperation[Revocation]:
    # Also append the pending entries of other calls, so that a subject's generations are logged in order.
    entries = {each: unpack_entry(0, text) for each, text in outbox.items()}
    own = sorted(
        (
            each
            for each, entry in entries.items()
            if entry.kind is RevocationKind.SUBJECT and entry.key == increment.subject
        ),
        key=lambda each: entries[each].value,
    )
    sequences = yield from _append_outbox(partition, {each: outbox[each] for each in own})
    return replace(entries[nonce], sequence=sequences[own.index(nonce)], value=generation)


def _append_outbox(partition: Partition, pairs: Mapping[bytes, bytes]) -> RedisOperation[Sequence[int]]:
    """Move entries from the outbox to the log. Safe to repeat in any process."""
    sequences = yield from append(pairs)
    yield RedisCall("HDEL", (partition.outbox,), tuple(pairs))
    return sequences


def _confirm_durable(partition: Partition, pending: Mapping[bytes, bytes], names: set[str]) -> RedisOperation[None]:
    """Finish the pending writes about ``names``: the caller may be about to acknowledge them."""
    own = {nonce: text for nonce, text in pending.items() if unpack_entry(0, text).key in names}
    if own:
        # Write the entries again, so that WAIT covers them.
        yield RedisCall("HSET", (partition.outbox,), _flat(own), durable=True)
        yield from _append_outbox(partition, own)


def _rest(increment: GenerationIncrement) -> bytes:
    return pack_rest(increment.subject, increment.at, increment.expires_at)


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _flat(pairs: Mapping[bytes, bytes]) -> tuple[Word, ...]:
    return tuple(each for pair in pairs.items() for each in pair)
