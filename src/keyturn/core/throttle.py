"""Login throttling: leaky buckets per account, device and address, checked before the password is hashed.

An attempt is *reserved* first (``try_reserve``), so that a parallel burst cannot exceed the limit, and released
(``release``) after success. Sources: OWASP ASVS 5.0 section 6.3.1, NIST SP 800-63B-4 section 3.2.2, and OWASP
"Slow Down Online Guessing Attacks with Device Cookies".
"""

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from keyturn.core.base64url import encode_base64url, try_decode_base64url
from keyturn.core.types import Instant

DEVICE_NONCE_BYTES = 16
_MAX_FOLDED = 1024
_DEVICE_COOKIE = re.compile(r"kt_device_([A-Za-z0-9_-]{22})\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Leaky bucket that counts the attempts under one key.

    ``level``: in seconds; decreases by one per second from ``updated_at`` on. ``version``: compare-and-swap counter;
    0 when not stored yet.
    """

    key: str
    level: int
    updated_at: Instant
    version: int

    @property
    def empty_at(self) -> int:
        """Instant from which the bucket is empty and may be purged."""
        return self.updated_at + self.level


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``limit`` attempts in any ``window_seconds``, three quarters of them at once, the rest spread evenly.

    A bucket that allowed the whole limit at once and also leaked would admit twice the limit in one window.
    """

    limit: int
    window_seconds: int

    @property
    def burst(self) -> int:
        """Attempts that an empty bucket admits at once."""
        return self.limit - self.limit // 4

    @property
    def cost_seconds(self) -> int:
        """Seconds one attempt adds to the level: ``burst + window/cost - 1 <= limit``."""
        return -(-self.window_seconds // (self.limit - self.burst + 1))


@dataclass(frozen=True, slots=True)
class ThrottleDecision:
    """Result of ``try_reserve``.

    Allowed: store ``bucket`` by compare-and-swap before the attempt; if another request won the swap, load the bucket
    and call ``try_reserve`` again. Refused: ``bucket`` is unchanged and need not be stored; ``retry_after_seconds`` is
    at least 1.
    """

    bucket: Bucket
    allowed: bool
    retry_after_seconds: int = 0


def try_reserve(key: str, stored: Bucket | None, now: Instant, rate: Rate) -> ThrottleDecision:
    """Reserve one attempt under ``key``. ``found``: the stored bucket of that key."""
    bucket = stored or Bucket(key, 0, now, 0)
    leaked = _leak(bucket, now, rate)
    level = leaked.level + rate.cost_seconds
    excess_seconds = level - rate.burst * rate.cost_seconds
    if excess_seconds > 0:
        return ThrottleDecision(bucket, allowed=False, retry_after_seconds=leaked.updated_at + excess_seconds - now)
    return ThrottleDecision(replace(leaked, level=level, version=bucket.version + 1), allowed=True)


def release(bucket: Bucket, reserved_at: Instant, rate: Rate) -> Bucket:
    """Release the reservation of an attempt that succeeded.

    ``bucket``: as stored now. ``reserved_at``: the ``now`` of ``try_reserve``. Only the part that has not leaked since
    is released, so that a slow success cannot erase the failures of others.
    """
    credit = max(0, rate.cost_seconds - (bucket.updated_at - reserved_at))
    return replace(bucket, level=max(0, bucket.level - credit), version=bucket.version + 1)


def _leak(bucket: Bucket, now: Instant, rate: Rate) -> Bucket:
    # The writer's clock may be slightly ahead: never go back in time, or the same seconds would leak twice.
    # A writer whose clock once ran far ahead must not lock the account until that time comes.
    at = now if bucket.updated_at - now > rate.window_seconds else max(bucket.updated_at, now)
    level = max(0, bucket.level - max(0, at - bucket.updated_at))
    # Cap at a full bucket: a stricter policy may have been configured since the last write.
    return replace(bucket, level=min(level, rate.burst * rate.cost_seconds), updated_at=at)


def account_key(identifier: str) -> str:
    """Return the key of an account, existing or not.

    ``identifier``: normalised. It is hashed, so that counters store no e-mail addresses. Spellings that a database may
    take for the same one share a key: a counter of each would multiply the guesses by their number (CWE-307). A counter
    of the account that was found would tell by its refusals that there is one.
    """
    return "account:" + _digest(b"account", _fold(identifier))


def device_key(identifier: str, nonce: bytes) -> str:
    """Return the key of one known device of one account. ``nonce``: of an accepted device cookie.

    OWASP device cookies: attempts from such a device count under this key only. An attack on the account from another
    device, or from the same shared address, therefore never locks the owner out; guesses from the device itself are
    limited all the same.
    """
    return "device:" + _digest(b"device" + nonce, identifier)


def address_key(address: str) -> str:
    """Return the key of a client address: the whole IPv4 address, or the /64 of an IPv6 address.

    RFC 6177: one subscriber has at least a /64. All invalid addresses share one key: a client cannot leave its bucket
    by sending a malformed address.
    """
    try:
        parsed = _embedded_ipv4(ip_address(address.strip()))
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, IPv4Address):
        return f"address:{parsed}"
    return f"address:{IPv6Network((int(parsed), 64), strict=False)}"


def _embedded_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    # RFC 4291 section 2.5.5.2 (::ffff:a.b.c.d) and RFC 3056 (2002::/16): one IPv4 host behind many IPv6 spellings.
    return address.ipv4_mapped or address.sixtofour or address


def sign_device_cookie(identifier: str, nonce: bytes, key: bytes) -> str:
    """Make the value of a device cookie, issued after a successful login.

    ``nonce``: 16 random bytes. ``key``: 32 bytes. Raises ``ValueError`` for a nonce of another size.
    """
    if len(nonce) != DEVICE_NONCE_BYTES:
        raise ValueError(f"nonce must have {DEVICE_NONCE_BYTES} bytes, not {len(nonce)}")
    mac = hmac.digest(key, b"keyturn/device-cookie/1" + nonce + _encode(identifier), "sha256")
    return f"kt_device_{encode_base64url(nonce).decode()}.{encode_base64url(mac).decode()}"


def verify_device_cookie(text: str, identifier: str, key: bytes) -> bytes | None:
    """Return the nonce of a device cookie signed for ``identifier``, or ``None`` for any other value."""
    match = _DEVICE_COOKIE.fullmatch(text)
    if match is None:
        return None
    nonce = try_decode_base64url(match[1])
    # Signing again and comparing the whole text also refuses a non-canonical spelling of the same bytes.
    return nonce if nonce and hmac.compare_digest(sign_device_cookie(identifier, nonce, key), text) else None


def _digest(domain: bytes, identifier: str) -> str:
    digest = hashlib.sha256(b"keyturn/throttle/1/" + domain + b"/" + _encode(identifier)).digest()
    return encode_base64url(digest[:18]).decode()


def _fold(identifier: str) -> str:
    """Return an identifier without case, accents, spaces and invisible characters, as collations compare it."""
    # Sorting combining marks takes quadratic time. Longer identifiers share the key of their beginning.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", identifier[:_MAX_FOLDED]).casefold())
    return "".join(each for each in decomposed if each.isprintable() and not _is_ignored(each))


def _is_ignored(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] == "M"


def _encode(identifier: str) -> bytes:
    # JSON may contain lone surrogates: encode them like other characters, instead of failing with status 500.
    return identifier.encode("utf-8", "surrogatepass")
