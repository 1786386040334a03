"""Sessions and their marks in Redis."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from keyturn.core.revocation import GenerationIncrement, Revocation, RevocationKind
from keyturn.core.session import LoadedSession, RevocationFloor, Session
from keyturn.core.session_id import encode_session_id
from keyturn.core.types import Instant, SessionId, Subject
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
from keyturn.stores.redis.operation import Call, Operation, Word
from keyturn.stores.validate import check_storable

LINGER_SECONDS = 3600
"""How long at least a session is kept past its end: by the clock of Redis, which decides nothing."""

LONGEST_SECONDS = 10 * 365 * 86400
NONCE_BYTES = 8

Nonces = Callable[[], bytes]


def _nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)


class Sessions:
    """``SessionStore``. ``waits``: whether a write is acknowledged only when replicas have it. ``nonce``: random bytes,
    never the same twice."""

    def __init__(self, nonce: Nonces = _nonce, *, needs_replicas: bool = False) -> None:
        self._nonce = nonce
        self._waits = needs_replicas

    def insert(self, session: Session) -> Operation[None]:
        place, handle = _located(session)
        keys = (place.session(handle), place.list(session.subject))
        call = Call(scripts.INSERT, keys, (*_stored(session, handle), place.before), durable=True)
        if not (yield call):
            raise ValueError("session id taken")

    def load(self, sid: SessionId) -> Operation[LoadedSession | None]:
        found = locate(sid)
        if found is None:
            return None
        place, handle = found
        value, pending, *floor = yield Call(scripts.LOAD, (place.session(handle), place.marks, place.outbox))
        session = None if value is None else unpack_session(sid, value)
        if pending:
            yield from _confirm_durable(place, _pairs(pending), {str(sid), session.subject if session else ""})
        return None if session is None else LoadedSession(session, unpack_floor(*floor), not self._waits)

    def revocation_floor(self, subject: Subject, client_id: str) -> Operation[RevocationFloor]:
        place = partition_for(subject)
        check_storable(client_id)
        names = (generation_of(subject), b"e", b"c" + client_id.encode())
        return unpack_floor(*(yield Call("HMGET", (place.marks,), names)))

    def replace(self, session: Session, entry: Revocation | None = None) -> Operation[int | None]:
        place, handle = _located(session)
        pairs = {} if entry is None else {self._nonce(): pack_entry(entry)}
        arguments = (*_stored(session, handle), session.version - 1, *_flat(pairs))
        if not (yield Call(scripts.REPLACE, _swap(place, handle, session), arguments, durable=True)):
            return None
        return 0 if entry is None else (yield from _append_outbox(place, pairs))[0]

    def wait_durable(self, session: Session) -> Operation[bool]:
        place, handle = _located(session)
        keys = (place.session(handle), place.marks)
        return bool((yield Call(scripts.WAIT_DURABLE, keys, (session.version,), durable=True)))

    def increment_generation(self, voiding: GenerationIncrement) -> Operation[Revocation]:
        place, nonce, rest = partition_for(voiding.subject), self._nonce(), _rest(voiding)
        arguments = (generation_of(voiding.subject), nonce, rest)
        generation, outbox = yield Call(
            scripts.INCREMENT_GENERATION, (place.marks, place.outbox), arguments, durable=True
        )
        return (yield from _increment(place, voiding, generation, nonce, _pairs(outbox)))

    def increment_generation_and_keep(
        self, voiding: GenerationIncrement, keep_session: Session | None
    ) -> Operation[Revocation | None]:
        """As ``void``, with ``kept`` carried over; ``None``, and nothing done, when its swap lost."""
        if keep_session is None:
            return (yield from self.increment_generation(voiding))
        if keep_session.subject != voiding.subject:
            return None
        (place, handle), nonce, rest = _located(keep_session), self._nonce(), _rest(voiding)
        carried = _stored(replace(keep_session, generation=keep_session.generation + 1), handle)
        name = generation_of(keep_session.subject)
        arguments = (*carried, keep_session.version - 1, name, nonce, rest, keep_session.generation)
        keys = _swap(place, handle, keep_session)
        generation, outbox = yield Call(scripts.INCREMENT_AND_KEEP, keys, arguments, durable=True)
        if not generation:
            return None
        return (yield from _increment(place, voiding, generation, nonce, _pairs(outbox)))

    def raise_not_before(self, entry: Revocation) -> Operation[Revocation]:
        if entry.kind not in (RevocationKind.CLIENT, RevocationKind.EVERYTHING):
            raise ValueError("only a client or everything has a not-before")
        pairs = {self._nonce(): pack_entry(entry)}
        # Said before it is done, so that whoever sweeps finishes what this process did not.
        yield Call("HSET", (PENDING,), _flat(pairs), durable=True)
        (sequence,) = yield from _mark(entry, pairs)
        return replace(entry, sequence=sequence)

    def list(self, subject: Subject) -> Operation[Sequence[LoadedSession]]:
        place = partition_for(subject)
        arguments = (MAX_LISTED, place.before, generation_of(subject))
        listed = yield Call(scripts.LIST, (place.list(subject), place.marks), arguments)
        found = [_listed(place, *each) for each in listed]
        return sorted(found, key=lambda each: (-each.session.created_at, each.session.sid))

    def purge(self, now: Instant) -> Operation[int]:
        check_storable(now)
        raised = [Call(scripts.RAISE_NOT_BEFORE, (place.marks, place.outbox), (b"h", now)) for place in ALL_PARTITIONS]
        # What another process left: it was never acknowledged, but readers of the log should know.
        for place, pending in zip(ALL_PARTITIONS, (yield raised), strict=True):
            if pending:
                yield from _append_outbox(place, _pairs(pending))
        for nonce, text in (yield Call("HGETALL", (PENDING,))).items():
            yield from _mark(unpack_entry(0, text), {nonce: text})
        yield from trim(now)
        return 0


def _located(session: Session) -> tuple[Partition, bytes]:
    found = locate(session.sid)
    if found is None or found[0] is not partition_for(session.subject):
        raise ValueError("a session id of another place than its subject")
    return found


def _stored(session: Session, handle: bytes) -> tuple[Word, ...]:
    """Value, member, created_at, milliseconds, stands."""
    lifetime = max(0, session.expires_at - session.last_seen_at)
    milliseconds = 1000 * min(lifetime + LINGER_SECONDS, LONGEST_SECONDS)
    return (pack_session(session), handle[1:], session.created_at, milliseconds, int(session.ended_at is None))


def _swap(place: Partition, handle: bytes, session: Session) -> tuple[bytes, ...]:
    return place.session(handle), place.list(session.subject), place.marks, place.outbox


def _listed(place: Partition, member: bytes, value: bytes, *marks: bytes | None) -> LoadedSession:
    sid = SessionId(encode_session_id(bytes((int(place.before[1:3], 16),)) + member))
    return LoadedSession(unpack_session(sid, value), unpack_floor(*marks))


def _mark(entry: Revocation, pairs: Mapping[bytes, bytes]) -> Operation[Sequence[int]]:
    name = b"c" + entry.key.encode() if entry.kind is RevocationKind.CLIENT else b"e"
    yield [
        Call(scripts.RAISE_NOT_BEFORE, (place.marks, place.outbox), (name, entry.value), durable=True)
        for place in ALL_PARTITIONS
    ]
    return (yield from append(pairs))


def _increment(
    place: Partition, voiding: GenerationIncrement, generation: int, nonce: bytes, outbox: Mapping[bytes, bytes]
) -> Operation[Revocation]:
    # Those another call is about to log go first, so that a subject's generations are logged in their order.
    entries = {each: unpack_entry(0, text) for each, text in outbox.items()}
    ours = sorted(
        (
            each
            for each, entry in entries.items()
            if entry.kind is RevocationKind.SUBJECT and entry.key == voiding.subject
        ),
        key=lambda each: entries[each].value,
    )
    sequences = yield from _append_outbox(place, {each: outbox[each] for each in ours})
    return replace(entries[nonce], sequence=sequences[ours.index(nonce)], value=generation)


def _append_outbox(place: Partition, pairs: Mapping[bytes, bytes]) -> Operation[Sequence[int]]:
    """From the outbox to the log. Safe to repeat, by anybody."""
    sequences = yield from append(pairs)
    yield Call("HDEL", (place.outbox,), tuple(pairs))
    return sequences


def _confirm_durable(place: Partition, pending: Mapping[bytes, bytes], names: set[str]) -> Operation[None]:
    """Finish what was begun about ``names``: whoever asks may be about to say that it is done."""
    ours = {nonce: text for nonce, text in pending.items() if unpack_entry(0, text).key in names}
    if ours:
        # Written once more, so that replicas are waited for.
        yield Call("HSET", (place.outbox,), _flat(ours), durable=True)
        yield from _append_outbox(place, ours)


def _rest(voiding: GenerationIncrement) -> bytes:
    return pack_rest(voiding.subject, voiding.at, voiding.expires_at)


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _flat(pairs: Mapping[bytes, bytes]) -> tuple[Word, ...]:
    return tuple(each for pair in pairs.items() for each in pair)
