"""Passwords: argon2id in a bounded thread pool, and the rules for choosing a password.

Sources: OWASP Password Storage Cheat Sheet (memory 19 MiB, time cost 2, parallelism 1), RFC 9106, NIST SP 800-63B-4
section 3.1.1.2.
"""

import asyncio
import hmac
import math
import os
import re
import secrets
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import NamedTuple

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from keyturn.core.password import prepare_password, validate_password
from keyturn.core.password_strength import Blocklist
from keyturn.core.policy import PasswordPolicy
from keyturn.core.types import T
from keyturn.errors import ConfigurationError, Overloaded, PasswordRejected
from keyturn.ports import PasswordCheck

SALT_BYTES = 16
_DIGEST_BYTES = 32
MAX_MEMORY_KIB = 256 * 1024
"""Limits for a stored hash: 256 MiB of memory, and the work of four passes over 256 MiB."""

NICENESS = 10
"""Niceness of hashing threads, on Linux: other requests need the core for shorter times than a hash does."""

_HASHES_PER_SECOND = 50  # of one thread with OWASP parameters; only used to compute Retry-After
_ENCODED = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]{0,3}),p=([1-9][0-9]?)"
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


class _ParsedHash(NamedTuple):
    """Parsed PHC string."""

    parameters: Argon2Parameters
    salt: bytes
    digest: bytes


class _Argon2:
    """Hashing and verification in the calling thread."""

    def __init__(self, parameters: Argon2Parameters) -> None:
        self._parameters = parameters
        # A hash that matches no password: an unknown account takes as long as a known one (user enumeration).
        self._dummy = _ParsedHash(parameters, secrets.token_bytes(SALT_BYTES), b"")

    def hash(self, prepared: str) -> str:
        parameters = self._parameters
        salt = secrets.token_bytes(SALT_BYTES)
        digest = _digest(prepared, _ParsedHash(parameters, salt, bytes(_DIGEST_BYTES)))
        costs = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
        return f"$argon2id$v=19${costs}${_base64(salt)}${_base64(digest)}"

    def verify(self, encoded: str | None, prepared: str) -> PasswordCheck:
        stored = _parse(encoded or "") or self._dummy
        matches = hmac.compare_digest(_digest(prepared, stored), stored.digest)
        current = (self._parameters, SALT_BYTES, _DIGEST_BYTES)
        return PasswordCheck(matches, matches and (stored.parameters, len(stored.salt), len(stored.digest)) != current)


class _Pool:
    """Bounded thread pool: ``threads`` running jobs, ``queue`` waiting ones; raises ``Overloaded`` beyond that."""

    def __init__(self, threads: int, queue: int) -> None:
        if threads < 1 or queue < 0:
            raise ConfigurationError(f"a hashing pool must have threads >= 1 and queue >= 0, not {threads} and {queue}")
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="keyturn-argon2", initializer=_lower_priority)
        self._free = threading.Semaphore(threads + queue)
        self._is_closed = False
        self._retry_after_seconds = math.ceil((threads + queue) / (threads * _HASHES_PER_SECOND))

    def submit(self, job: Callable[[], T]) -> Future[T]:
        if not self._free.acquire(blocking=False):
            raise Overloaded("password hashing queue is full", retry_after_seconds=self._retry_after_seconds)
        try:
            future = self._executor.submit(self._run, job)
        except RuntimeError as error:
            self._free.release()
            raise Overloaded("password hashing pool is closed, or the system refused to start a thread") from error
        # Called on completion and on cancellation: an abandoned job does not keep its slot.
        future.add_done_callback(lambda _: self._free.release())
        return future

    def close(self) -> None:
        # Waiting jobs are refused, not cancelled: a cancelled future would cancel the task that awaits it.
        self._is_closed = True
        self._executor.shutdown()

    def _run(self, job: Callable[[], T]) -> T:
        if self._is_closed:
            raise Overloaded("password hashing pool is closed")
        return job()


class _HashingPool:
    """Common part of both hashers: each method returns a future."""

    def __init__(self, parameters: Argon2Parameters | None, threads: int | None, queue: int | None) -> None:
        size = default_hash_threads() if threads is None else threads
        self._argon2 = _Argon2(parameters or Argon2Parameters())
        self._pool = _Pool(size, size * _HASHES_PER_SECOND if queue is None else queue)
        self.close = self._pool.close

    def hash(self, password: str) -> "Future[str]":
        return self._pool.submit(partial(self._argon2.hash, prepare_password(password)))

    def verify(self, encoded: str | None, password: str) -> "Future[PasswordCheck]":
        try:
            prepared = prepare_password(password)
        except PasswordRejected:
            # No account, existing or not, can have this password: the fast answer reveals nothing.
            mismatch: Future[PasswordCheck] = Future()
            mismatch.set_result(PasswordCheck(matches=False))
            return mismatch
        return self._pool.submit(partial(self._argon2.verify, encoded, prepared))


class _Hasher:
    """Base of the synchronous and the asynchronous hasher: owns the pool."""

    def __init__(
        self,
        parameters: Argon2Parameters | None = None,
        *,
        threads: int | None = None,
        queue: int | None = None,
    ) -> None:
        self._hashing_pool = _HashingPool(parameters, threads, queue)

    def close(self) -> None:
        """Close the pool: refuse waiting jobs and wait for running ones."""
        self._hashing_pool.close()


class Argon2Hasher(_Hasher):
    """The ``PasswordHasher`` port for synchronous programs.

    ``threads``: default one less than the cores available to this process, at least 1. ``queue``: limit of waiting
    jobs, default about one second of work. Every method raises ``Overloaded`` when the queue is full.
    """

    def hash(self, password: str) -> str:
        """Hash into a PHC string with a fresh salt. Raises ``PasswordRejected`` for an invalid password."""
        return self._hashing_pool.hash(password).result()

    def verify(self, encoded: str | None, password: str) -> PasswordCheck:
        """Compare ``password`` with a hash. ``None`` and an invalid hash never match and take the same time."""
        return self._hashing_pool.verify(encoded, password).result()


class AsyncArgon2Hasher(_Hasher):
    """The ``PasswordHasher`` port for asynchronous programs: never hashes on the event loop.

    Cancelling a call frees its slot in the queue.
    """

    async def hash(self, password: str) -> str:
        """Hash like ``Argon2Hasher.hash``."""
        return await asyncio.wrap_future(self._hashing_pool.hash(password))

    async def verify(self, encoded: str | None, password: str) -> PasswordCheck:
        """Compare like ``Argon2Hasher.verify``."""
        return await asyncio.wrap_future(self._hashing_pool.verify(encoded, password))


class NistPasswordRules:
    """The ``PasswordRules`` port. ``service_names``: names of the service; passwords built on them are refused."""

    def __init__(
        self,
        policy: PasswordPolicy | None = None,
        *,
        service_names: Collection[str] = (),
        blocklist: Blocklist | None = None,
    ) -> None:
        self._policy = policy or PasswordPolicy()
        self._service_names = tuple(service_names)
        self._blocklist = blocklist or load_blocklist()

    def validate(self, password: str, identifier: str) -> None:
        """Raise ``PasswordRejected``, with a reason that is safe to show, for a password the rules forbid."""
        validate_password(password, identifier, self._policy, self._blocklist, self._service_names)


@cache
def load_blocklist() -> Blocklist:
    """Load the blocklist that ships with Keyturn (``keyturn/data/blocklist.txt``)."""
    text = files("keyturn").joinpath("data", "blocklist.txt").read_text(encoding="utf-8")
    return Blocklist(line for line in text.splitlines() if line and not line.startswith("#"))


def _digest(prepared: str, stored: _ParsedHash) -> bytes:
    parameters = stored.parameters
    size = len(stored.digest) or _DIGEST_BYTES
    try:
        return hash_secret_raw(
            prepared.encode(),
            stored.salt,
            parameters.time_cost,
            parameters.memory_cost,
            parameters.parallelism,
            size,
            Type.ID,
        )
    except HashingError as error:
        # All parameters are checked: the only error left is a failed memory allocation.
        raise Overloaded("argon2 could not allocate its memory") from error


def _parse(encoded: str) -> _ParsedHash | None:
    """Parse a PHC string; ``None`` for invalid text, other algorithms and parameters beyond the limits."""
    match = _ENCODED.fullmatch(encoded)
    if match is None:
        return None
    try:
        parameters = Argon2Parameters(int(match[1]), int(match[2]), int(match[3]))
        salt, digest = (b64decode(each + "=" * (-len(each) % 4), validate=True) for each in match.group(4, 5))
    except (ConfigurationError, ValueError):
        return None
    return _ParsedHash(parameters, salt, digest)


def _base64(octets: bytes) -> str:
    return b64encode(octets).rstrip(b"=").decode()


def _lower_priority() -> None:
    # Only Linux has a niceness per thread (setpriority(2)); on other systems this would slow down the event loop, too.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # Raising the niceness needs no privilege. If a sandbox forbids the call, hashing continues without it.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def default_hash_threads() -> int:
    """Return one less than the number of cores available to this process, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)
