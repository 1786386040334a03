"""Passwords: argon2id in a bounded pool, and the rules for choosing one.

Sources: OWASP Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane), RFC 9106, NIST SP 800-63B-4 section 3.1.1.2.
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
from typing import NamedTuple, TypeVar

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from keyturn.core.password import prepare_password, validate_password
from keyturn.core.password_strength import Blocklist
from keyturn.core.policy import PasswordPolicy
from keyturn.errors import ConfigurationError, Overloaded, PasswordRejected
from keyturn.ports import PasswordCheck

SALT_BYTES = 16
DIGEST_BYTES = 32
MAX_MEMORY_KIB = 256 * 1024
"""A stored hash may not ask for more memory than this (256 MiB), nor for more than four passes over as much."""

NICENESS = 10
"""Of hashing threads, on Linux: whoever waits for a hash waits anyway, others' requests need the core for less."""

_HASHES_PER_SECOND = 50  # one thread, OWASP parameters; only to say when to come back
_ENCODED = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]{0,3}),p=([1-9][0-9]?)"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})"
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """``memory_kib``: KiB; ``passes``: t; ``lanes``: p, one thread each.

    Raises ``ConfigurationError`` below what RFC 9106 section 3.1 allows, and above what this server will spend.
    """

    memory_cost: int = 19 * 1024
    time_cost: int = 2
    parallelism: int = 1

    def __post_init__(self) -> None:
        # A poisoned row must not make the server allocate 100 GiB, start 99 threads, or compute for an hour.
        spent = max(self.memory_cost, self.memory_cost * self.time_cost // 4)
        if not (1 <= self.parallelism <= 16 and self.time_cost >= 1 and 8 * self.parallelism <= self.memory_cost):
            raise ConfigurationError(f"argon2 parameters out of bounds: {self}")
        if spent > MAX_MEMORY_KIB:
            raise ConfigurationError(f"argon2 parameters beyond {MAX_MEMORY_KIB} KiB or four passes over it: {self}")


class _Encoded(NamedTuple):
    """A stored hash, taken apart."""

    parameters: Argon2Parameters
    salt: bytes
    digest: bytes


class _Argon2:
    """Hashing itself, in whatever thread calls."""

    def __init__(self, parameters: Argon2Parameters) -> None:
        self._parameters = parameters
        # Matches nothing, takes as long as any: an account that does not exist costs the same work.
        self._decoy = _Encoded(parameters, secrets.token_bytes(SALT_BYTES), b"")

    def hash(self, prepared: str) -> str:
        own = self._parameters
        salt = secrets.token_bytes(SALT_BYTES)
        digest = _digest(prepared, _Encoded(own, salt, bytes(DIGEST_BYTES)))
        return f"$argon2id$v=19$m={own.memory_cost},t={own.time_cost},p={own.parallelism}${_text(salt)}${_text(digest)}"

    def verify(self, encoded: str | None, prepared: str) -> PasswordCheck:
        stored = _parse(encoded or "") or self._decoy
        matches = hmac.compare_digest(_digest(prepared, stored), stored.digest)
        today = (self._parameters, SALT_BYTES, DIGEST_BYTES)
        return PasswordCheck(matches, matches and (stored.parameters, len(stored.salt), len(stored.digest)) != today)


class _Pool:
    """A bounded pool: ``threads`` jobs at work, ``queue`` waiting, the next refused with ``Overloaded`` at once."""

    def __init__(self, threads: int, queue: int) -> None:
        if threads < 1 or queue < 0:
            raise ConfigurationError("a hashing pool has at least one thread and no negative queue")
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="keyturn-argon2", initializer=_yield_to_others)
        self._free = threading.Semaphore(threads + queue)
        self._retry_after_seconds = math.ceil((threads + queue) / (threads * _HASHES_PER_SECOND))

    def submit(self, job: Callable[[], _T]) -> Future[_T]:
        if not self._free.acquire(blocking=False):
            raise Overloaded("password hashing queue is full", retry_after_seconds=self._retry_after_seconds)
        try:
            future = self._executor.submit(job)
        except RuntimeError as error:
            self._free.release()
            raise Overloaded("password hashing pool is closed or starved of threads") from error
        # Runs on completion and on cancellation alike: a waiter that gave up leaves no slot behind.
        future.add_done_callback(lambda _: self._free.release())
        return future

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)


class _HashingPool:
    """Both hashing ports before anyone waits: each method answers a future."""

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
            # Nobody could choose it, so it matches no account, existing or not: the time tells nothing.
            refused: Future[PasswordCheck] = Future()
            refused.set_result(PasswordCheck(matches=False))
            return refused
        return self._pool.submit(partial(self._argon2.verify, encoded, prepared))


class _Hasher:
    """What both colours have: the pool."""

    def __init__(
        self,
        parameters: Argon2Parameters | None = None,
        *,
        threads: int | None = None,
        queue: int | None = None,
    ) -> None:
        self._work = _HashingPool(parameters, threads, queue)

    def close(self) -> None:
        """End the pool; what waits is cancelled, what runs is awaited."""
        self._work.close()


class Argon2Hasher(_Hasher):
    """The hashing port for synchronous drivers.

    ``threads``: default one less than the cores this process may use, at least 1. ``queue``: how many may wait,
    default about a second's work. Every method raises ``Overloaded`` past that.
    """

    def hash(self, password: str) -> str:
        """A PHC string with a fresh salt. Raises ``PasswordRejected`` for what cannot be prepared."""
        return self._work.hash(password).result()

    def verify(self, encoded: str | None, password: str) -> PasswordCheck:
        """Compare; the same work for ``None`` and for garbage, which match nothing."""
        return self._work.verify(encoded, password).result()


class AsyncArgon2Hasher(_Hasher):
    """The same for asynchronous drivers: never on the event loop. A cancelled waiter frees its place."""

    async def hash(self, password: str) -> str:
        """As ``Argon2Hasher.hash``."""
        return await asyncio.wrap_future(self._work.hash(password))

    async def verify(self, encoded: str | None, password: str) -> PasswordCheck:
        """As ``Argon2Hasher.verify``."""
        return await asyncio.wrap_future(self._work.verify(encoded, password))


class NistPasswordRules:
    """The password rules port. ``service_names``: what the service calls itself; they do not make a password."""

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
        """Raises ``PasswordRejected`` with a reason that is safe to show."""
        validate_password(password, identifier, self._policy, self._blocklist, self._service_names)


@cache
def load_blocklist() -> Blocklist:
    """The blocklist that ships with Keyturn (``keyturn/data/blocklist.txt``)."""
    text = files("keyturn").joinpath("data", "blocklist.txt").read_text(encoding="utf-8")
    return Blocklist(line for line in text.splitlines() if line and not line.startswith("#"))


def _digest(prepared: str, stored: _Encoded) -> bytes:
    own = stored.parameters
    size = len(stored.digest) or DIGEST_BYTES
    try:
        return hash_secret_raw(
            prepared.encode(), stored.salt, own.time_cost, own.memory_cost, own.parallelism, size, Type.ID
        )
    except HashingError as error:
        # All else was checked: what is left is memory that could not be had.
        raise Overloaded("argon2 could not allocate its memory") from error


def _parse(encoded: str) -> _Encoded | None:
    """Garbage, other algorithms and unaffordable parameters are no hash at all."""
    shape = _ENCODED.fullmatch(encoded)
    if shape is None:
        return None
    try:
        parameters = Argon2Parameters(int(shape[1]), int(shape[2]), int(shape[3]))
        salt, digest = (b64decode(each + "=" * (-len(each) % 4), validate=True) for each in shape.group(4, 5))
    except (ConfigurationError, ValueError):
        return None
    return _Encoded(parameters, salt, digest)


def _text(octets: bytes) -> str:
    return b64encode(octets).rstrip(b"=").decode()


def _yield_to_others() -> None:
    # Linux alone has a niceness per thread (setpriority(2)); elsewhere this would slow the event loop down as well.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # Being nicer needs no privilege. A sandbox may forbid the call all the same, and hashing goes on without it.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def default_hash_threads() -> int:
    """One less than the cores this process may use, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)
