"""Keys: 256 places, each with a hash tag of its own, and the log with another."""

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
    """What is kept together. ``before``: what the key of a session begins with; the rest of it is its ``member``."""

    session_prefix: bytes
    marks: bytes
    outbox: bytes
    list_prefix: bytes

    def session(self, handle: bytes) -> bytes:
        """Where a session is."""
        return self.session_prefix + handle[1:]

    def list(self, subject: Subject) -> bytes:
        """Where the list of a subject's sessions is."""
        return self.list_prefix + pack_subject(subject)


def _partition(number: int) -> Partition:
    tag = b"{%02x}" % number
    return Partition(tag + b"s", tag + b"m", tag + b"o", tag + b"u")


ALL_PARTITIONS = tuple(_partition(number) for number in range(PARTITIONS))


def partition_for(subject: Subject) -> Partition:
    """Raises ``BadRequest`` for a name that no store can hold."""
    check_storable(subject)
    return ALL_PARTITIONS[partition_of(subject)]


def locate(sid: SessionId) -> tuple[Partition, bytes] | None:
    """The place of a session and its handle; ``None`` when the id is nobody's."""
    handle = decode_session_id(sid)
    return None if handle is None else (ALL_PARTITIONS[handle[0]], handle)


def generation_of(subject: Subject) -> bytes:
    """Name of the mark that is the generation of ``subject``."""
    return b"g" + pack_subject(subject)
