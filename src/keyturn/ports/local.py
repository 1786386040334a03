"""Ports of this process: password hashing, signing, key generation, randomness, and grants of the application."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from keyturn.core.claims import ACCESS_TYPE, AccessClaims
from keyturn.core.grants import Grant, GrantRequest
from keyturn.core.types import Instant
from keyturn.ports.stores import StoredKey


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Result of a password comparison. ``needs_rehash``: it matched a hash with other parameters than today's."""

    matches: bool
    needs_rehash: bool = False


class PasswordHasher(Protocol):
    """Slow password hash in a bounded pool. Raises ``Overloaded`` when the queue is full."""

    def hash(self, password: str) -> str:
        """Hash ``password`` with a fresh salt."""
        ...

    def verify(self, encoded: str | None, password: str, identifier: str = "") -> PasswordCheck:
        """Compare with a stored hash.

        ``None``, the hash of an account that does not exist, takes as long as a hash that the table could hold. Which
        one depends on ``identifier``.
        """
        ...


class PasswordRules(Protocol):
    """Rules for choosing a password (NIST SP 800-63B-4 section 3.1.1.2). Runs in process, never awaited."""

    def validate(self, password: str, identifier: str) -> None:
        """Raise ``PasswordRejected``, with a reason that is safe to show, for a forbidden password."""
        ...


class Signer(Protocol):
    """Signs JWTs and verifies access tokens. Runs in process; sync and async flows use the same object."""

    @property
    def revision(self) -> object:
        """An object that is another one after each change of the keys."""
        ...

    def sign(self, claims: Mapping[str, object], now: Instant, typ: str = ACCESS_TYPE) -> str:
        """Sign ``claims`` with the active key, as a compact JWS of type ``typ`` for the audience in ``claims``.

        A token of another type than ``at+jwt`` is never accepted as an access token (RFC 8725 section 3.11).
        """
        ...

    def verify(self, token: str, now: Instant) -> AccessClaims:
        """Return the claims of an access token signed by this issuer; only signature and ``typ`` are checked.

        Raises ``TokenMalformed``, ``TokenInvalid``.
        """
        ...

    def jwks(self, now: Instant) -> dict[str, object]:
        """Return the public key set (RFC 7517): next, active and retired keys; never an HMAC secret."""
        ...


class Entropy(Protocol):
    """Source of random bytes."""

    def token_bytes(self, size: int, /) -> bytes:
        """Return ``size`` unpredictable bytes."""
        ...


class KeyGenerator(Protocol):
    """Generates signing keys. Slow (tenths of a second for an RSA key); the async counterpart uses a thread."""

    def make(self, algorithm: str, serial: int, active_at: Instant) -> StoredKey:
        """Generate a key and encrypt it."""
        ...


class Grants(Protocol):
    """Decision of the application which scopes and claims a login gets. Decides nothing by default."""

    def decide(self, request: GrantRequest) -> Grant | None:
        """Return what is granted; None if the application decides nothing. Raises ``GrantsUnavailable``."""
        ...
