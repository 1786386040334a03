"""Login throttling: how many attempts, counted against whom. Decided before the password is hashed.

An attempt is *reserved* first (``admit``), so that a parallel burst cannot outrun the count, and given back
(``refund``) when it succeeded. Sources: OWASP ASVS 5.0 section 6.3.1, NIST SP 800-63B-4 section 3.2.2, and OWASP
"Slow Down Online Guessing Attacks with Device Cookies".
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from keyturn.core.types import Instant

NONCE_BYTES = 16
_DEVICE_COOKIE = re.compile(r"kt_device_([A-Za-z0-9_-]{22})\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Attempts counted under one key. ``level`` is in seconds: it sinks by one per second from ``updated_at`` on.

    ``version`` is the compare-and-swap counter; 0 means not stored yet.
    """

    key: str
    level: int
    updated_at: Instant
    version: int

    @property
    def empty_at(self) -> int:
        """From this instant on the bucket says nothing and may be purged."""
        return self.updated_at + self.level


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``limit`` attempts in any ``window_seconds``, three quarters of them at once, the rest spread evenly.

    A bucket that fills to the limit at once and also refills would let twice the limit through in one window.
    """

    limit: int
    window_seconds: int

    @property
    def burst(self) -> int:
        """Attempts an empty bucket admits at once."""
        return self.limit - self.limit // 4

    @property
    def cost_seconds(self) -> int:
        """What one attempt adds to the level: ``burst + window/cost - 1 <= limit``."""
        return -(-self.window_seconds // (self.limit - self.burst + 1))


@dataclass(frozen=True, slots=True)
class ThrottleDecision:
    """``allowed``: store ``bucket`` by compare-and-swap, then go on; if the swap lost, load and ``admit`` again.

    Refused: ``bucket`` is unchanged and need not be stored; ``retry_after_seconds`` is at least 1.
    """

    bucket: Bucket
    allowed: bool
    retry_after_seconds: int = 0


def try_reserve(key: str, found: Bucket | None, now: Instant, rate: Rate) -> ThrottleDecision:
    """Reserve one attempt under ``key``. ``found``: what the store holds there."""
    bucket = found or Bucket(key, 0, now, 0)
    sunk = _leak(bucket, now, rate)
    level = sunk.level + rate.cost_seconds
    over = level - rate.burst * rate.cost_seconds
    if over > 0:
        return ThrottleDecision(bucket, allowed=False, retry_after_seconds=sunk.updated_at + over - now)
    return ThrottleDecision(replace(sunk, level=level, version=bucket.version + 1), allowed=True)


def release(bucket: Bucket, reserved_at: Instant, rate: Rate) -> Bucket:
    """Give back an attempt that succeeded. ``bucket``: as stored now; ``reserved_at``: the ``now`` it was admitted at.

    Only what has not sunk since is given back, so a slow success cannot erase other people's failures.
    """
    credit = max(0, rate.cost_seconds - (bucket.updated_at - reserved_at))
    return replace(bucket, level=max(0, bucket.level - credit), version=bucket.version + 1)


def _leak(bucket: Bucket, now: Instant, rate: Rate) -> Bucket:
    # Another machine's clock a little ahead of ours: time never runs backwards, or it could be counted twice.
    # A clock that once ran far ahead must not lock an account until that day comes.
    at = now if bucket.updated_at - now > rate.window_seconds else max(bucket.updated_at, now)
    level = max(0, bucket.level - max(0, at - bucket.updated_at))
    # A stricter policy may have been configured since: never above a full bucket.
    return replace(bucket, level=min(level, rate.burst * rate.cost_seconds), updated_at=at)


def account_key(identifier: str) -> str:
    """Key of an account, existing or not. ``identifier``: normalised. Hashed: a counter stores nobody's address."""
    return "account:" + _digest(b"account", identifier)


def device_key(identifier: str, nonce: bytes) -> str:
    """Key of one known device of one account. ``nonce``: of a device cookie that ``open_device`` accepted.

    OWASP device cookies: such a device is counted here alone. An attack on the account from elsewhere, or from the
    same shared address, therefore never locks its owner out; the device's own guesses are bounded all the same.
    """
    return "device:" + _digest(b"device" + nonce, identifier)


def address_key(address: str) -> str:
    """Key of a client address: IPv4 whole, IPv6 by its /64 (RFC 6177: one subscriber holds at least that).

    Anything that is no address shares one key: a client cannot leave its bucket by garbling its address.
    """
    try:
        parsed = _inner(ip_address(address.strip()))
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, IPv4Address):
        return f"address:{parsed}"
    return f"address:{IPv6Network((int(parsed), 64), strict=False)}"


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    # RFC 4291 section 2.5.5.2 (::ffff:a.b.c.d) and RFC 3056 (2002::/16): one IPv4 host behind many IPv6 spellings.
    return address.ipv4_mapped or address.sixtofour or address


def sign_device_cookie(identifier: str, nonce: bytes, key: bytes) -> str:
    """The value of a device cookie, issued after a successful login. ``nonce``: 16 random bytes; ``key``: 32 bytes.

    Raises ``ValueError`` for a nonce of another size.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError("a device nonce is 16 bytes")
    mac = hmac.digest(key, b"keyturn/device-cookie/1" + nonce + _encode(identifier), "sha256")
    return f"kt_device_{_text(nonce)}.{_text(mac)}"


def verify_device_cookie(text: str, identifier: str, key: bytes) -> bytes | None:
    """The nonce of a device cookie sealed for ``identifier``, else ``None``: count the attempt as a stranger's."""
    shape = _DEVICE_COOKIE.fullmatch(text)
    if shape is None:
        return None
    nonce = urlsafe_b64decode(shape[1] + "==")
    # Sealing again compares every character: a non-canonical spelling of the same bytes is refused too.
    return nonce if hmac.compare_digest(sign_device_cookie(identifier, nonce, key), text) else None


def _digest(domain: bytes, identifier: str) -> str:
    return _text(hashlib.sha256(b"keyturn/throttle/1/" + domain + b"/" + _encode(identifier)).digest()[:18])


def _encode(identifier: str) -> bytes:
    # Lone surrogates reach this from JSON; they are a key like any other, never a 500.
    return identifier.encode("utf-8", "surrogatepass")


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()
