"""Password hashes that other software has stored: Django, Werkzeug (Flask), PHP, pwdlib (FastAPI Users) and bcrypt.

Each hash is parsed strictly, and its costs are checked before anything is computed: an attacker who can write one row
must not be able to stop every login (CWE-770).
"""

import binascii
import hashlib
import re
import secrets
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Final, Protocol

from keyturn.errors import Overloaded
from keyturn.passwords.argon2_hash import parse_argon2

MAX_HASH_LENGTH = 512
"""Longest stored hash, in characters. The longest one made by a supported format has 200."""

MAX_PBKDF2_ITERATIONS = 5_000_000
MAX_BCRYPT_COST = 15
MAX_SCRYPT_BYTES = 256 * 1024 * 1024
MAX_SCRYPT_PARALLELISM = 16
MAX_SCRYPT_WORK = 4 * MAX_SCRYPT_BYTES
"""Limit of ``128 * n * r * p``. Every limit is a few seconds of one core: some sites choose costs near them."""

_BCRYPT_BYTES = 72
"""bcrypt ignores the rest of a password. Version 5 of the package refuses it; every maker of these hashes cut it."""

_PBKDF2_DIGEST_BYTES: Final = {"sha1": 20, "sha256": 32, "sha512": 64}
_SCRYPT_DIGEST_BYTES = 64


class StoredHash(Protocol):
    """Parsed hash of some format, with costs within the limits."""

    @property
    def digest(self) -> bytes:
        """The stored digest."""
        ...

    @property
    def cost(self) -> str:
        """The algorithm and its parameters, which decide how long a comparison takes."""
        ...

    def compute(self, password: bytes) -> bytes:
        """Return the digest of ``password``. Raises ``Overloaded`` if the memory cannot be allocated."""
        ...

    def imitate(self) -> "StoredHash":
        """Return a hash of the same cost that matches no password."""
        ...


class MissingPackage(Exception):
    """A hash of a known format cannot be compared, because an optional package is not installed."""


@dataclass(frozen=True, slots=True, repr=False)
class Pbkdf2Hash:
    """PBKDF2 with HMAC (RFC 8018 section 5.2). ``algorithm``: of the HMAC."""

    algorithm: str
    iterations: int
    salt: bytes
    digest: bytes

    @property
    def cost(self) -> str:
        return f"pbkdf2 {self.algorithm} {self.iterations}"

    def compute(self, password: bytes) -> bytes:
        return hashlib.pbkdf2_hmac(self.algorithm, password, self.salt, self.iterations)

    def imitate(self) -> "Pbkdf2Hash":
        return replace(self, salt=secrets.token_bytes(len(self.salt)), digest=bytes(len(self.digest)))


@dataclass(frozen=True, slots=True, repr=False)
class ScryptHash:
    """RFC 7914. ``n``: cost, a power of two; ``r``: block size; ``p``: parallelism."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @property
    def cost(self) -> str:
        return f"scrypt {self.n} {self.r} {self.p}"

    def compute(self, password: bytes) -> bytes:
        limit = 132 * self.n * self.r + 128 * self.r * self.p + 1024 * 1024
        size = len(self.digest)
        try:
            return hashlib.scrypt(password, salt=self.salt, n=self.n, r=self.r, p=self.p, maxmem=limit, dklen=size)
        except (ValueError, MemoryError) as error:
            # All parameters are checked: the only error left is a failed memory allocation.
            raise Overloaded("scrypt could not allocate its memory") from error

    def imitate(self) -> "ScryptHash":
        return replace(self, salt=secrets.token_bytes(len(self.salt)), digest=bytes(len(self.digest)))


@dataclass(frozen=True, slots=True, repr=False)
class BcryptHash:
    """bcrypt. ``settings``: version, cost and salt. ``is_prehashed``: Django's ``bcrypt_sha256``."""

    settings: bytes
    digest: bytes
    is_prehashed: bool
    hashpw: Callable[[bytes, bytes], bytes] = field(compare=False)

    @property
    def cost(self) -> str:
        return f"bcrypt {self.settings[4:6].decode()}"

    def compute(self, password: bytes) -> bytes:
        secret = hashlib.sha256(password).hexdigest().encode() if self.is_prehashed else password[:_BCRYPT_BYTES]
        return self.hashpw(secret, self.settings)[len(self.settings) :]

    def imitate(self) -> "BcryptHash":
        return replace(self, digest=bytes(len(self.digest)))


def parse_hash(encoded: str) -> StoredHash | None:
    """Parse a stored hash; ``None`` for invalid text, unknown formats and costs beyond the limits.

    Raises ``MissingPackage`` for a bcrypt hash without the package bcrypt.
    """
    if len(encoded) > MAX_HASH_LENGTH:
        return None
    for pattern, build in _FORMATS:
        match = pattern.fullmatch(encoded)
        if match is not None:
            return build(match)
    return None


def _pbkdf2(algorithm: str, iterations: str, salt: str, digest: bytes | None) -> StoredHash | None:
    # A shorter digest would match wrong passwords, too.
    if digest is None or len(digest) != _PBKDF2_DIGEST_BYTES[algorithm] or int(iterations) > MAX_PBKDF2_ITERATIONS:
        return None
    return Pbkdf2Hash(algorithm, int(iterations), salt.encode(), digest)


def _scrypt(costs: tuple[str, str, str], salt: str, digest: bytes | None) -> StoredHash | None:
    n, r, p = map(int, costs)
    is_affordable = 128 * n * r <= MAX_SCRYPT_BYTES and p <= MAX_SCRYPT_PARALLELISM
    is_valid = n > 1 and n & (n - 1) == 0 and 128 * n * r * p <= MAX_SCRYPT_WORK
    if digest is None or len(digest) != _SCRYPT_DIGEST_BYTES or not (is_affordable and is_valid):
        return None
    return ScryptHash(n, r, p, salt.encode(), digest)


def _bcrypt(prefix: str, cost: str, salt: str, digest: str) -> StoredHash | None:
    if not 4 <= int(cost) <= MAX_BCRYPT_COST:
        return None
    # $2a$ and $2y$ name the same function for every password without NUL, which ``prepare_password`` refuses.
    settings = f"$2b${cost}${salt}".encode()
    return BcryptHash(settings, digest.encode(), prefix == "bcrypt_sha256$", _load_bcrypt().hashpw)


def _load_bcrypt() -> Any:
    try:
        return import_module("bcrypt")
    except ImportError as error:
        raise MissingPackage("bcrypt") from error


def _base64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        return None


_COST = "[1-9][0-9]{0,8}"
_SALT = "[!-#%-~]{1,128}"
_DIGEST = "[A-Za-z0-9+/]{27,88}={0,2}"
_HEX = "(?:[0-9a-f]{2}){20,64}"

_FORMATS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], StoredHash | None]], ...]] = (
    # PHC strings: Keyturn, pwdlib, PHP; Django writes its own name before them.
    (re.compile(r"(?:argon2)?(\$argon2.+)"), lambda match: parse_argon2(match[1])),
    # Django
    (
        re.compile(rf"pbkdf2_(sha1|sha256)\$({_COST})\$({_SALT})\$({_DIGEST})"),
        lambda match: _pbkdf2(match[1], match[2], match[3], _base64(match[4])),
    ),
    (
        re.compile(rf"scrypt\$({_COST})\$({_SALT})\$({_COST})\$({_COST})\$({_DIGEST})"),
        lambda match: _scrypt((match[1], match[3], match[4]), match[2], _base64(match[5])),
    ),
    # Werkzeug
    (
        re.compile(rf"pbkdf2:(sha1|sha256|sha512):({_COST})\$({_SALT})\$({_HEX})"),
        lambda match: _pbkdf2(match[1], match[2], match[3], bytes.fromhex(match[4])),
    ),
    (
        re.compile(rf"scrypt:({_COST}):({_COST}):({_COST})\$({_SALT})\$({_HEX})"),
        lambda match: _scrypt((match[1], match[2], match[3]), match[4], bytes.fromhex(match[5])),
    ),
    # bcrypt, PHP, Node; Django writes its own names before it.
    (
        re.compile(r"(bcrypt\$|bcrypt_sha256\$|)\$2[aby]\$([0-9]{2})\$([./A-Za-z0-9]{21}[.Oeu])([./A-Za-z0-9]{31})"),
        lambda match: _bcrypt(match[1], match[2], match[3], match[4]),
    ),
)
