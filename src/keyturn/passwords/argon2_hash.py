"""Argon2 hashes as PHC strings: parameters within limits, parsing and computation (RFC 9106)."""

import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import Final

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from keyturn.errors import ConfigurationError, Overloaded

SALT_BYTES = 16
DIGEST_BYTES = 32
MAX_MEMORY_KIB = 256 * 1024
"""Limits for a stored hash: 256 MiB of memory, and the work of four passes over 256 MiB."""

_VARIANTS: Final = {"argon2id": Type.ID, "argon2i": Type.I}
_ENCODED = re.compile(
    r"\$(argon2id|argon2i)\$v=19\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]{0,3}),p=([1-9][0-9]?)"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})"
)


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """Parameters of argon2id: ``memory_cost`` in KiB (m), ``time_cost`` in passes (t), ``parallelism`` in threads (p).

    Raises ``ConfigurationError`` below the minimum of RFC 9106 section 3.1 and above the limits of this module.
    """

    memory_cost: int = 19 * 1024
    time_cost: int = 2
    parallelism: int = 1

    def __post_init__(self) -> None:
        # A manipulated row must not make the server allocate 100 GiB, start 99 threads, or compute for an hour.
        work_kib = max(self.memory_cost, self.memory_cost * self.time_cost // 4)
        if not (1 <= self.parallelism <= 16 and self.time_cost >= 1 and 8 * self.parallelism <= self.memory_cost):
            raise ConfigurationError(
                f"{self} is out of bounds: parallelism 1 to 16, time_cost from 1, memory_cost from 8 * parallelism"
            )
        if work_kib > MAX_MEMORY_KIB:
            raise ConfigurationError(
                f"{self} exceeds memory_cost={MAX_MEMORY_KIB}, or the work of four passes over that memory"
            )


@dataclass(frozen=True, slots=True, repr=False)
class Argon2Hash:
    """Parsed argon2 hash."""

    parameters: Argon2Parameters
    salt: bytes
    digest: bytes
    variant: str = "argon2id"

    def compute(self, password: bytes) -> bytes:
        """Return the digest of ``password``. Raises ``Overloaded`` if the memory cannot be allocated."""
        costs, variant = self.parameters, _VARIANTS[self.variant]
        try:
            return hash_secret_raw(
                password,
                self.salt,
                costs.time_cost,
                costs.memory_cost,
                costs.parallelism,
                len(self.digest),
                variant,
            )
        except HashingError as error:
            # All parameters are checked: the only error left is a failed memory allocation.
            raise Overloaded("argon2 could not allocate its memory") from error

    def imitate(self) -> "Argon2Hash":
        """Return a hash of the same cost that matches no password."""
        return replace(self, salt=secrets.token_bytes(len(self.salt)), digest=bytes(len(self.digest)))

    @property
    def cost(self) -> str:
        """The algorithm and its parameters, which decide how long a comparison takes."""
        return f"{self.variant} {_costs(self.parameters)} {len(self.digest)}"

    def is_current(self, parameters: Argon2Parameters) -> bool:
        """Return True if a new hash would be made alike."""
        made_alike = (self.variant, len(self.salt), len(self.digest)) == ("argon2id", SALT_BYTES, DIGEST_BYTES)
        return made_alike and self.parameters == parameters

    def encode(self) -> str:
        """Return the PHC string."""
        return f"${self.variant}$v=19${_costs(self.parameters)}${_base64(self.salt)}${_base64(self.digest)}"


def new_argon2_hash(password: bytes, parameters: Argon2Parameters) -> Argon2Hash:
    """Hash ``password`` with a fresh salt. Raises ``Overloaded``."""
    draft = Argon2Hash(parameters, secrets.token_bytes(SALT_BYTES), bytes(DIGEST_BYTES))
    return replace(draft, digest=draft.compute(password))


def parse_argon2(encoded: str) -> Argon2Hash | None:
    """Parse a PHC string; ``None`` for invalid text, other algorithms and parameters beyond the limits."""
    match = _ENCODED.fullmatch(encoded)
    if match is None:
        return None
    try:
        parameters = Argon2Parameters(int(match[2]), int(match[3]), int(match[4]))
        salt, digest = (b64decode(each + "=" * (-len(each) % 4), validate=True) for each in match.group(5, 6))
    except (ConfigurationError, ValueError):
        return None
    return Argon2Hash(parameters, salt, digest, match[1])


def _costs(parameters: Argon2Parameters) -> str:
    return f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"


def _base64(octets: bytes) -> str:
    return b64encode(octets).rstrip(b"=").decode()
