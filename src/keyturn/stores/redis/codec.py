"""Compact encoding of records in Redis, with the fields that scripts compare at the front.

A session is a MessagePack array of at least 16 members, so that its first member begins at the fourth byte.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TypeAlias

import msgspec

from keyturn.core.base64url import encode_base64url
from keyturn.core.one_time import OneTimeKind, OneTimeValue
from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.session import ClientInfo, Repeats, RevocationFloor, Seed, Session, make_repeats
from keyturn.core.session_id import decode_session_id
from keyturn.core.types import Instant, P, SessionId, Subject, T
from keyturn.errors import BadRequest
from keyturn.stores.redis.connect import CorruptRecord
from keyturn.stores.validate import check_storable, check_storable_session

_PWD = ("pwd",)

PageFields: TypeAlias = tuple[int, int, int, tuple[Revocation, ...]]
"""Last sequence number appended, last one purged, log id, and entries."""


class _PackedSession(msgspec.Struct, array_like=True):
    """Stored session. Scripts read the first four fields; an ``_offset`` counts seconds from ``created_at``."""

    version: int
    subject: msgspec.Raw
    client_id: str
    expires_at: int
    created_at: int
    auth_offset: int
    last_seen_offset: int
    seed: bytes
    label: str
    address: str
    generation: int
    amr: tuple[str, ...] | None
    scope: str
    claims: bytes | None
    renewals: int
    rotations: int
    rotated_offset: int | None
    ended_offset: int | None
    end_reason: str


class _PackedRepeats(_PackedSession, array_like=True):
    """Stored session with its repeats, which most sessions do not have."""

    unseen_rotation: int = 0
    late_answers: int = 0
    repeated_rotation: int = 0
    repeated_in_a_row: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_PackedRepeats).decode
_encode_claims = msgspec.json.Encoder().encode
_decode_claims = msgspec.json.Decoder(dict[str, object]).decode


def pack_session(session: Session) -> bytes:
    """Encode a session. Raises ``BadRequest`` for a value that no store can hold."""
    check_storable_session(session)
    client, created = session.client, session.created_at
    kind, repeats = _packed_repeats(session.repeats)
    try:
        claims = _encode_claims(session.claims) if session.claims else None
        return _encode(
            kind(
                session.version,
                _raw(pack_subject(session.subject)),
                client.client_id,
                session.expires_at,
                created,
                _offset(session.auth_time, created),
                _offset(session.last_seen_at, created),
                bytes(session.seed),
                client.label,
                client.address,
                session.generation,
                None if session.amr == _PWD else session.amr,
                session.scope,
                claims,
                session.renewals,
                session.rotations,
                None if session.rotated_at is None else _offset(session.rotated_at, created),
                None if session.ended_at is None else _offset(session.ended_at, created),
                session.end_reason,
                *repeats,
            )
        )
    except (UnicodeEncodeError, OverflowError):
        raise BadRequest("a value cannot be stored") from None


def _packed_repeats(repeats: Repeats) -> tuple[type[_PackedSession], tuple[int, ...]]:
    counts = (repeats.unseen_rotation, repeats.late_answers, repeats.rotation, repeats.in_a_row)
    return (_PackedRepeats, counts) if any(counts) else (_PackedSession, ())


def _translate_errors(decode: Callable[P, T]) -> Callable[P, T]:
    @wraps(decode)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return decode(*args, **kwargs)
        except (msgspec.MsgspecError, ValueError, IndexError):
            raise CorruptRecord("a record in Redis is corrupt") from None  # the cause would quote the record

    return wrapper


@_translate_errors
def unpack_session(sid: SessionId, value: bytes) -> Session:
    """Decode a session of ``pack_session``. Raises ``CorruptRecord``."""
    packed = _decode(value)
    created = packed.created_at
    return Session(
        sid,
        _unpack_subject(bytes(packed.subject)),
        Seed(packed.seed),
        ClientInfo(packed.client_id, packed.label, packed.address),
        packed.generation,
        Instant(created),
        _instant(packed.auth_offset, created),
        _instant(packed.last_seen_offset, created),
        Instant(packed.expires_at),
        _PWD if packed.amr is None else packed.amr,
        packed.scope,
        {} if packed.claims is None else _decode_claims(packed.claims),
        packed.renewals,
        packed.rotations,
        None if packed.rotated_offset is None else _instant(packed.rotated_offset, created),
        None if packed.ended_offset is None else _instant(packed.ended_offset, created),
        packed.end_reason,
        packed.version,
        make_repeats(packed.unseen_rotation, packed.late_answers, packed.repeated_rotation, packed.repeated_in_a_row),
    )


def pack_subject(subject: Subject) -> bytes:
    """Encode a subject: 17 bytes for one generated by Keyturn, which encodes 16 bytes; else its text.

    The first byte is 0 for a generated subject; no stored text begins with U+0000.
    """
    handle = decode_session_id(subject)
    return subject.encode() if handle is None else b"\0" + handle


def _raw(text: bytes) -> msgspec.Raw:
    # Tagged as a MessagePack string though it may be binary: the scripts' cmsgpack has no binary type.
    size = len(text)
    if size < 32:
        return msgspec.Raw(bytes((0xA0 | size,)) + text)
    return msgspec.Raw(b"\xdb" + size.to_bytes(4, "big") + text)


def _unpack_subject(raw: bytes) -> Subject:
    packed = raw[1:] if raw[0] < 0xC0 else raw[5:]
    if packed[:1] == b"\0":
        return Subject(encode_base64url(packed[1:]).decode())
    return Subject(packed.decode())


def pack_entry(entry: Revocation) -> bytes:
    """Encode an entry. The key is last: it may be any text without U+0000. Raises ``BadRequest``."""
    return b"%s\0%d\0%s" % (entry.kind.value.encode(), entry.value, pack_rest(entry.key, entry.at, entry.expires_at))


def pack_rest(key: str, at: Instant, expires_at: Instant) -> bytes:
    """Encode the part of an entry that is known before its value. Raises ``BadRequest``."""
    check_storable(key, at, expires_at)
    return b"%d\0%d\0%s" % (at, expires_at, key.encode())


@_translate_errors
def unpack_entry(sequence: int, text: bytes) -> Revocation:
    """Decode an entry of ``pack_entry``. Raises ``CorruptRecord``."""
    kind, value, at, expires_at, key = text.split(b"\0", 4)
    return Revocation(
        RevocationKind(kind.decode()), key.decode(), int(value), Instant(int(at)), Instant(int(expires_at)), sequence
    )


@_translate_errors
def unpack_page(appended: bytes, purged: bytes, log: bytes, rows: Sequence[Sequence[bytes]]) -> PageFields:
    """Decode three counters and the stream's rows of an id and a packed entry. Raises ``CorruptRecord``."""
    entries = tuple(unpack_entry(int(name.partition(b"-")[0]), text) for name, text in rows)
    return int(appended), int(purged), int(log), entries


@_translate_errors
def unpack_count(value: bytes | None) -> int:
    """Decode a counter; None is 0. Raises ``CorruptRecord``."""
    return int(value or 0)


@_translate_errors
def unpack_floor(generation: bytes | None, everything: bytes | None, client: bytes | None) -> RevocationFloor:
    """Decode a revocation floor from values that may each be None. Raises ``CorruptRecord``."""
    return RevocationFloor(int(generation or 0), Instant(max(int(everything or 0), int(client or 0))))


def pack_one_time(value: OneTimeValue) -> bytes:
    """Encode a one-time value without kind, digest and uses. The payload is last: it may be any bytes.

    Raises ``BadRequest``.
    """
    check_storable(value.subject, value.made, value.created_at, value.expires_at)
    fields = (value.subject.encode(), value.created_at, value.expires_at, value.made.encode(), value.payload)
    return b"%s\0%d\0%d\0%s\0%s" % fields


@_translate_errors
def unpack_one_time(kind: OneTimeKind, digest: bytes, stored: bytes, log_id: bytes) -> OneTimeValue | None:
    """Decode a stored one-time value; None for one of another log. Raises ``CorruptRecord``."""
    uses, stored_log_id, subject, created_at, expires_at, made, payload = stored.split(b"\0", 6)
    if stored_log_id != log_id:
        return None
    moments = (Instant(int(created_at)), Instant(int(expires_at)))
    return OneTimeValue(kind, digest, subject.decode(), *moments, payload, int(uses), made.decode())


def _offset(moment: int, created: int) -> int:
    return _wrap_int64(moment - created)


def _instant(offset: int, created: int) -> Instant:
    return Instant(_wrap_int64(created + offset))


def _wrap_int64(number: int) -> int:
    # Modulo 2^64: subtracting and adding any two 64-bit numbers restores the first one.
    return (number + 2**63) % 2**64 - 2**63
