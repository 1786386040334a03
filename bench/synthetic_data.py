"""Synthetic sessions and revocations by the million, as logins and logouts create them."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from keyturn.core.lifecycle import begin_session
from keyturn.core.policy import PROFILES
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.session import ClientInfo, RevocationFloor, Seed, Session
from keyturn.core.session_id import encode_session_id, new_session_id
from keyturn.core.types import EPOCH, Instant, Subject

CLIENT = ClientInfo("default", "Firefox on Linux", "203.0.113.7")
CONCURRENCY = 64
"""Number of concurrent inserts."""


def new_subject() -> Subject:
    """Return a subject as a signup creates it."""
    return Subject(encode_session_id(os.urandom(16)))


def new_session(now: Instant, subject: Subject | None = None) -> Session:
    """Return a session as a login creates it, of ``subject`` or of a new subject."""
    owner = subject or new_subject()
    sid = new_session_id(owner, os.urandom(16))
    draft = Session(sid, owner, Seed(os.urandom(32)), CLIENT, 0, now, now, now, EPOCH)
    return begin_session(draft, RevocationFloor(), now, PROFILES["browser"].session)


def generate_sessions(count: int, now: Instant, expires_at: Instant) -> Iterator[Session]:
    """Yield ``count`` sessions that expire at the same time."""
    for _ in range(count):
        yield replace(new_session(now), expires_at=expires_at)


def logout_revocations(count: int, now: Instant, expires_at: Instant) -> Iterator[Revocation]:
    """Yield the log entries of ``count`` ended sessions."""
    for number in range(1, count + 1):
        sid = encode_session_id(os.urandom(16))
        yield Revocation(RevocationKind.SESSION, sid, ENDED, now, expires_at, number)


async def fill(port: Any, sessions: Iterable[Session], progress: Any) -> None:
    """Insert ``sessions`` through ``port``, as logins do. Calls ``progress(n)`` after each ``n`` sessions."""
    pending = iter(sessions)

    async def one() -> None:
        # All tasks share one iterator: an idle task takes the next batch.
        while batch := list(islice(pending, 100)):
            for session in batch:
                await port.insert(session)
            progress(len(batch))

    await asyncio.gather(*(one() for _ in range(CONCURRENCY)))
