"""Checks of HMAC secrets: the holder of a single token can guess its secret offline, without limit.

RFC 7518 section 3.2 sets the length, RFC 8725 section 3.5 asks for entropy. Published secrets are refused by a list.
"""

import base64
import re
from collections import Counter
from itertools import pairwise
from math import log2

from keyturn.tokens.weak_secrets import COMMON_WORDS, PUBLISHED_SECRETS

ADVICE = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(64))'"
_MIN_BITS_PER_OCTET = 2.75  # random hexadecimal digits, the encoding with the lowest value, reach about 3.6
_WORDS = re.compile("|".join(sorted(map(re.escape, COMMON_WORDS), key=len, reverse=True)), re.IGNORECASE)
_PUNCTUATION = re.compile(r"[^a-z0-9]")
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4}){4,}(?:[A-Za-z0-9+/_-]{2,3}={0,2})?")


def secret_problem(secret: bytes, size: int) -> str | None:
    """Return why ``secret`` is unfit for an HMAC with a hash of ``size`` octets, or ``None``; never reveals it."""
    if len(secret) < size:
        return f"it has {len(secret)} bytes and RFC 7518 section 3.2 requires {size}; {ADVICE}"
    if any(_is_key_file(form) for form in decodings(secret)):
        return f"it is a key file, and public keys are no secrets (RFC 8725 section 2.1); {ADVICE}"
    if any(published in _lowercase_text(form) for form in decodings(secret) for published in _PUBLISHED):
        return f"it was published in a tutorial or a specification; {ADVICE}"
    if entropy_bits(_strip_guessable_parts(secret)) < _MIN_BITS_PER_OCTET * size:
        return f"it is guessable: words, padding or repetition instead of random bytes (RFC 8725 section 3.5); {ADVICE}"
    return None


def entropy_bits(secret: bytes) -> float:
    """Return an upper estimate of the entropy of ``secret`` in bits, from its octets and their differences."""
    steps = bytes((b - a) & 0xFF for a, b in pairwise(secret))
    return len(secret) * min(_bits_per_octet(secret), _bits_per_octet(steps))


def _bits_per_octet(octets: bytes) -> float:
    total = len(octets)
    return sum(count / total * log2(total / count) for count in Counter(octets).values())


def _strip_guessable_parts(secret: bytes) -> bytes:
    """Remove the parts of ``secret`` that add no entropy: padding, repetition, common words."""
    without_words = _WORDS.sub("", secret.decode("latin-1")).encode("latin-1")
    return _shortest_period(_strip_padding(without_words))


def _strip_padding(secret: bytes) -> bytes:
    stripped = secret.rstrip(secret[-1:])
    return stripped if len(secret) - len(stripped) > 2 else secret


def _shortest_period(secret: bytes) -> bytes:
    for length in range(1, len(secret) // 2 + 1):
        if (secret[:length] * (len(secret) // length + 1)).startswith(secret):
            return secret[:length]
    return secret


def decodings(secret: bytes) -> list[bytes]:
    """Return ``secret``, its stripped text, and its decodings as hexadecimal and as base64 where it looks so."""
    text = secret.decode("latin-1").strip()
    forms = [secret, text.encode("latin-1")]
    if _HEXADECIMAL.fullmatch(text):
        forms.append(bytes.fromhex(text))
    if _BASE64.fullmatch(text):
        unpadded_text = text.rstrip("=").replace("+", "-").replace("/", "_")
        forms.append(base64.urlsafe_b64decode(unpadded_text + "=" * (-len(unpadded_text) % 4)))
    return forms


def _is_key_file(secret: bytes) -> bool:
    """Detect a key file: PEM, OpenSSH, JWK, or one DER SEQUENCE that starts with a SEQUENCE or an INTEGER."""
    if b"-----BEGIN" in secret or secret.startswith((b"ssh-", b"ecdsa-sha2-")):
        return True
    if secret.startswith(b"{") and b'"kty"' in secret:
        return True
    return len(secret) >= 44 and secret[0] == 0x30 and _is_one_der_value(secret)


def _is_one_der_value(secret: bytes) -> bool:
    octets = secret[1] & 0x7F if secret[1] & 0x80 else 0
    length = int.from_bytes(secret[2 : 2 + octets], "big") if octets else secret[1]
    return len(secret) == 2 + octets + length and secret[2 + octets] in (0x30, 0x02)


def _lowercase_text(secret: bytes) -> str:
    """Drop case and punctuation, which attackers' lists vary; octets that are not text become hexadecimal."""
    text = secret.decode("latin-1")
    return _PUNCTUATION.sub("", text.casefold()) if text.isascii() and text.isprintable() else secret.hex()


_PUBLISHED = frozenset(_lowercase_text(form) for secret in PUBLISHED_SECRETS for form in decodings(secret.encode()))
