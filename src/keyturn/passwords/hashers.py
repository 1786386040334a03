"""The ``PasswordHasher`` port: argon2id for new hashes, and verification of every supported format."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, get_args

from keyturn.core.password import prepare_password
from keyturn.errors import ConfigurationError, PasswordRejected
from keyturn.passwords.argon2_hash import (
    DIGEST_BYTES,
    SALT_BYTES,
    Argon2Hash,
    Argon2Parameters,
    new_argon2_hash,
)
from keyturn.passwords.formats import MissingPackage, StoredHash, parse_hash
from keyturn.passwords.pool import HASHES_PER_SECOND, HashingThreads, default_hash_threads
from keyturn.passwords.unknown_accounts import UnknownAccounts
from keyturn.ports import PasswordCheck

HashEncoding: TypeAlias = Literal["phc", "django"]
"""Spelling of new hashes: ``phc`` is ``$argon2id$...``, ``django`` is ``argon2$argon2id$...``."""

_UNUSABLE = "!"
"""First character of Django's hash of an account without a password."""

_logger = logging.getLogger("keyturn")


@dataclass(frozen=True, slots=True, kw_only=True)
class HashTable:
    """What a hasher knows of the table that its hashes are stored in.

    ``encoding``: of new hashes. ``samples``: some stored hashes, in the shares of the table. An unknown account costs
    as much as one of them. ``key``: secret that chooses which, equal in every process of a deployment.
    """

    encoding: HashEncoding = "phc"
    samples: Iterable[str] = ()
    key: bytes = b""

    def __post_init__(self) -> None:
        if self.encoding not in get_args(HashEncoding):
            allowed = " or ".join(get_args(HashEncoding))
            raise ConfigurationError(f"encoding of password hashes must be {allowed}, not {self.encoding!r}")


class _PasswordFormats:
    """Hashing and verification in the calling thread."""

    def __init__(self, parameters: Argon2Parameters, table: HashTable) -> None:
        self._parameters = parameters
        self._prefix = "argon2" if table.encoding == "django" else ""
        current = Argon2Hash(parameters, bytes(SALT_BYTES), bytes(DIGEST_BYTES)).imitate()
        self._unknown = UnknownAccounts(current, table.samples, table.key or secrets.token_bytes(32))
        self._reported = set[str]()
        self.unusable_hashes = 0

    def hash(self, prepared: str) -> str:
        return self._prefix + new_argon2_hash(prepared.encode(), self._parameters).encode()

    def verify(self, encoded: str | None, spellings: tuple[str, ...], identifier: str) -> PasswordCheck:
        stored = self._parse(encoded or "")
        compared = stored or self._unknown.choose(identifier)
        matches = any(hmac.compare_digest(compared.compute(each.encode()), compared.digest) for each in spellings)
        if stored is None or not matches:
            return PasswordCheck(matches=False)
        return PasswordCheck(matches=True, needs_rehash=not self._is_current(stored, encoded or ""))

    def _is_current(self, stored: StoredHash, encoded: str) -> bool:
        is_own = isinstance(stored, Argon2Hash) and stored.is_current(self._parameters)
        return is_own and encoded.startswith(f"{self._prefix}$")

    def _parse(self, encoded: str) -> StoredHash | None:
        if not encoded or encoded.startswith(_UNUSABLE):
            return None  # an account without a password
        try:
            stored = parse_hash(encoded)
        except MissingPackage as missing:
            self._report(f"the package {missing} is not installed; in a clone of Keyturn: pip install '.[{missing}]'")
            return None
        if stored is None:
            self._report("its format is not supported, or its costs exceed the limits; the password must be reset")
        return stored

    def _report(self, reason: str) -> None:
        """Count a hash that cannot be compared. Log the first one of each reason, never the hash itself."""
        self.unusable_hashes += 1
        if reason not in self._reported:
            self._reported.add(reason)
            _logger.error("a stored password hash cannot be used: %s", reason)


class _HashingPool:
    """Common part of both hashers: each method returns a future."""

    def __init__(
        self, parameters: Argon2Parameters | None, threads: int | None, queue: int | None, table: HashTable | None
    ) -> None:
        size = default_hash_threads() if threads is None else threads
        self.formats = _PasswordFormats(parameters or Argon2Parameters(), table or HashTable())
        self._threads = HashingThreads(size, size * HASHES_PER_SECOND if queue is None else queue)
        self.close = self._threads.close

    def hash(self, password: str) -> "Future[str]":
        return self._threads.submit(partial(self.formats.hash, prepare_password(password)))

    def verify(self, encoded: str | None, password: str, identifier: str) -> "Future[PasswordCheck]":
        try:
            prepared = prepare_password(password)
        except PasswordRejected:
            # Independent of the account, so the fast answer reveals nothing.
            mismatch: Future[PasswordCheck] = Future()
            mismatch.set_result(PasswordCheck(matches=False))
            return mismatch
        # Other software hashes a password as it was typed.
        spellings = (prepared,) if prepared == password else (prepared, password)
        return self._threads.submit(partial(self.formats.verify, encoded, spellings, identifier))


class _Hasher:
    """Base of the synchronous and the asynchronous hasher: owns the pool."""

    def __init__(
        self,
        parameters: Argon2Parameters | None = None,
        *,
        threads: int | None = None,
        queue: int | None = None,
        table: HashTable | None = None,
    ) -> None:
        self._hashing_pool = _HashingPool(parameters, threads, queue, table)

    @property
    def unusable_hashes(self) -> int:
        """Number of comparisons with a stored hash that no password can match: unknown format, or a package missing."""
        return self._hashing_pool.formats.unusable_hashes

    def close(self) -> None:
        """Close the pool: refuse waiting jobs and wait for running ones."""
        self._hashing_pool.close()


class Argon2Hasher(_Hasher):
    """The ``PasswordHasher`` port for synchronous programs.

    ``threads``: default one less than the cores available to this process, at least 1. ``queue``: limit of waiting
    jobs, default about one second of work. Every method raises ``Overloaded`` when the queue is full.
    ``table``: what is known of the stored hashes.
    """

    def hash(self, password: str) -> str:
        """Hash with argon2id and a fresh salt. Raises ``PasswordRejected`` for an invalid password."""
        return self._hashing_pool.hash(password).result()

    def verify(self, encoded: str | None, password: str, identifier: str = "") -> PasswordCheck:
        """Compare ``password`` with a hash of any supported format.

        ``None`` and an invalid hash never match; they take as long as a hash of the table, chosen by ``identifier``.
        """
        return self._hashing_pool.verify(encoded, password, identifier).result()


class AsyncArgon2Hasher(_Hasher):
    """The ``PasswordHasher`` port for asynchronous programs: never hashes on the event loop.

    Cancelling a call frees its slot in the queue.
    """

    async def hash(self, password: str) -> str:
        """Hash like ``Argon2Hasher.hash``."""
        return await asyncio.wrap_future(self._hashing_pool.hash(password))

    async def verify(self, encoded: str | None, password: str, identifier: str = "") -> PasswordCheck:
        """Compare like ``Argon2Hasher.verify``."""
        return await asyncio.wrap_future(self._hashing_pool.verify(encoded, password, identifier))
