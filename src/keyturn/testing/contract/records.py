"""Records for the store contract. Every name is random: no test depends on an empty store by accident."""

import secrets
from collections.abc import Callable, Sequence
from threading import Barrier, Thread
from typing import Any, TypeAlias, TypeVar

from keyturn.core.account import Account
from keyturn.core.revocation import ENDED, GenerationIncrement, Revocation, RevocationKind
from keyturn.core.session import ClientInfo, Seed, Session
from keyturn.core.session_id import new_session_id, partition_of
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.ports import StorePorts

NOW = Instant(1_700_000_000)
LATER = Instant(NOW + 3600)

STRANGE_TEXTS = (
    "",
    " leading and trailing ",
    "' OR '1'='1'; DROP TABLE sessions; --",
    '%_\\"`${}{{}}',
    "Ünïcode é é \U0001f511 \u202egnirts",
    "line\nbreak\ttab\r\x01\x7f",
    "null None NaN 0 1e400",
    "x" * 20_000,
)
"""Texts that a faulty store might change, confuse or reject."""

UNSTORABLE_TEXTS = ("\ud800", "before\0after", "\0")
"""Texts that some store cannot hold, so that every store rejects them: a lone surrogate, U+0000."""

UNSTORABLE_NUMBERS = (2**63, -(2**63) - 1, 2**70)

_R = TypeVar("_R")


Store: TypeAlias = StorePorts


def new_name() -> str:
    """Return 16 random bytes as text."""
    return secrets.token_urlsafe(16)


def new_sid(subject: Subject) -> SessionId:
    """Return a new session id for ``subject``."""
    return new_session_id(subject, secrets.token_bytes(16))


def new_subject_in_partition(number: int) -> Subject:
    """Return a new subject of partition ``number``."""
    return next(each for each in iter(lambda: Subject(new_name()), None) if partition_of(each) == number)


def new_session(**changes: Any) -> Session:
    """Return a new session with ``changes``; its sid belongs to its subject's partition."""
    subject = changes.get("subject", Subject(new_name()))
    defaults: dict[str, Any] = {
        "sid": new_sid(subject),
        "subject": subject,
        "seed": Seed(secrets.token_bytes(32)),
        "client": ClientInfo("default", "Firefox on Linux", "192.0.2.7"),
        "generation": 0,
        "created_at": NOW,
        "auth_time": NOW,
        "last_seen_at": NOW,
        "expires_at": LATER,
    }
    return Session(**{**defaults, **changes})


def new_account(**changes: Any) -> Account:
    """Return a new account with ``changes``."""
    defaults: dict[str, Any] = {
        "subject": Subject(new_name()),
        "identifier": f"{new_name()}@example.com",
        "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
        "created_at": NOW,
    }
    return Account(**{**defaults, **changes})


def session_revocation(session: Session) -> Revocation:
    """Return the entry that ends ``session``."""
    return Revocation(RevocationKind.SESSION, session.sid, ENDED, NOW, LATER)


def new_increment(subject: Subject) -> GenerationIncrement:
    """Return an increment that revokes every session and token of ``subject``."""
    return GenerationIncrement(subject, NOW, LATER)


def run_in_threads(calls: Sequence[Callable[[], _R]]) -> list[_R]:
    """Run every call in its own thread, all started at the same moment. Return the results; raise the first error."""
    barrier = Barrier(len(calls))
    results: list[_R] = []
    errors: list[BaseException] = []

    def race(call: Callable[[], _R]) -> None:
        barrier.wait()
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=race, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
