"""Session ids: a session id begins with the partition of its subject.

A clustered store can thus keep in one slot all keys that are read and swapped together: a session, its subject's
generation and its subject's session list.
"""

from hashlib import sha256

from keyturn.core.base64url import encode_base64url, try_decode_base64url
from keyturn.core.types import SessionId, Subject

PARTITIONS = 256
SESSION_ID_BYTES = 16


def partition_of(subject: Subject) -> int:
    """Return the partition of ``subject`` and its sessions: 0 to ``PARTITIONS - 1``. Raises ``UnicodeEncodeError``."""
    return sha256(subject.encode()).digest()[0]


def new_session_id(subject: Subject, random_bytes: bytes) -> SessionId:
    """Make a session id for ``subject`` from 16 random bytes; the partition replaces the first of them."""
    return SessionId(encode_session_id(bytes((partition_of(subject),)) + random_bytes[1:]))


def decode_session_id(sid: str) -> bytes | None:
    """Return the 16 bytes of a session id, the first of which is its partition; ``None`` for an invalid id."""
    # Canonical base64url only: a second spelling of the id would escape the revocation of its session.
    raw = try_decode_base64url(sid)
    return raw if raw is not None and len(raw) == SESSION_ID_BYTES else None


def encode_session_id(raw: bytes) -> str:
    """Encode 16 bytes as 22 base64url characters."""
    return encode_base64url(raw).decode()
