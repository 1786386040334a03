"""Placement: a session id begins with the place of its subject, so that a clustered store keeps in one slot what is
read and swapped together: a session, its subject's generation, its subject's list."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from keyturn.core.types import SessionId, Subject

PARTITIONS = 256
SESSION_ID_BYTES = 16


def partition_of(subject: Subject) -> int:
    """Where ``subject`` and its sessions are kept: a number below ``PLACES``. Raises ``UnicodeEncodeError``."""
    return sha256(subject.encode()).digest()[0]


def new_session_id(subject: Subject, handle: bytes) -> SessionId:
    """A session id for ``subject`` from 16 random bytes, 15 of which remain: the first tells the place."""
    return SessionId(encode_session_id(bytes((partition_of(subject),)) + handle[1:]))


def decode_session_id(sid: str) -> bytes | None:
    """The 16 bytes of a session id, the first of which is its place; ``None`` when it is nobody's."""
    try:
        handle = urlsafe_b64decode(f"{sid}==".encode("ascii"))
    except ValueError:
        return None
    # One spelling only: of two names for one session, one would escape its revocation.
    return handle if len(handle) == SESSION_ID_BYTES and encode_session_id(handle) == sid else None


def encode_session_id(handle: bytes) -> str:
    """16 bytes as 22 base64url characters."""
    return urlsafe_b64encode(handle).rstrip(b"=").decode()
