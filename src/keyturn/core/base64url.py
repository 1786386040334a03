"""Base64url without padding (RFC 4648 section 5), in its canonical spelling only.

``tokens.encoding`` has a faster decoder for tokens, as strict as this one.
"""

from base64 import urlsafe_b64decode
from binascii import b2a_base64

_TO_URL = bytes.maketrans(b"+/", b"-_")


def encode_base64url(octets: bytes) -> bytes:
    """Encode ``octets`` in base64url without padding (RFC 7515 section 2)."""
    return b2a_base64(octets, newline=False).translate(_TO_URL).rstrip(b"=")


def try_decode_base64url(text: str) -> bytes | None:
    """Decode ``text``. Return None for any text that ``encode_base64url`` does not return."""
    try:
        segment = text.encode("ascii")
        octets = urlsafe_b64decode(segment + b"==")
    except ValueError:
        return None
    return octets if encode_base64url(octets) == segment else None
