"""Redis keys: 256 partitions, each with its own hash tag, and the log with another one."""

from dataclasses import dataclass

from keyturn.core.session_id import PARTITIONS, decode_session_id, partition_of
from keyturn.core.types import SessionId, Subject
from keyturn.stores.redis.codec import pack_subject
from keyturn.stores.validate import check_storable

LOG = b"{log}"
COUNTS = b"{log}c"
NONCES = b"{log}n"
PENDING = b"{log}w"


@dataclass(frozen=True, slots=True)
class Partition:
    """Keys of one partition, all in one slot. ``session_prefix``: followed by a session's member in its key."""

    session_prefix: bytes
    marks: bytes
    outbox: bytes
    list_prefix: bytes

    def session(self, handle: bytes) -> bytes:
        """Return the key of a session."""
        return self.session_prefix + handle[1:]

    def list(self, subject: Subject) -> bytes:
        """Return the key of the list of a subject's sessions."""
        return self.list_prefix + pack_subject(subject)


def _partition(number: int) -> Partition:
    tag = b"{%02x}" % number
    return Partition(tag + b"s", tag + b"m", tag + b"o", tag + b"u")


ALL_PARTITIONS = tuple(_partition(number) for number in range(PARTITIONS))


def partition_for(subject: Subject) -> Partition:
    """Return the partition of a subject. Raises ``BadRequest`` for a subject that no store can hold."""
    check_storable(subject)
    return ALL_PARTITIONS[partition_of(subject)]


def locate(sid: SessionId) -> tuple[Partition, bytes] | None:
    """Return the partition of a session and its decoded id, or None for a malformed id."""
    handle = decode_session_id(sid)
    return None if handle is None else (ALL_PARTITIONS[handle[0]], handle)


def generation_of(subject: Subject) -> bytes:
    """Return the field of the marks hash that holds the generation of ``subject``."""
    return b"g" + pack_subject(subject)
