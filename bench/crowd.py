"""A crowd: sessions and revocations by the million, as logins and logouts would leave them."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from keyturn.core.instant import NEVER, Instant, Subject
from keyturn.core.lifecycle import open_session
from keyturn.core.placement import encode_handle, name_session
from keyturn.core.policy import PROFILES
from keyturn.core.revocation import ENDED, Entry, Kind
from keyturn.core.session import Client, Marks, Seed, Session

CLIENT = Client("default", "Firefox on Linux", "203.0.113.7")
TOGETHER = 64
"""Logins under way at once."""


def new_subject() -> Subject:
    """As a signup names one."""
    return Subject(encode_handle(os.urandom(16)))


def new_session(now: Instant, subject: Subject | None = None) -> Session:
    """As a login leaves one, of a person of its own unless ``subject`` is said."""
    owner = subject or new_subject()
    sid = name_session(owner, os.urandom(16))
    draft = Session(sid, owner, Seed(os.urandom(32)), CLIENT, 0, now, now, now, NEVER)
    return open_session(draft, Marks(), now, PROFILES["browser"].session)


def crowd(count: int, now: Instant, expires_at: Instant) -> Iterator[Session]:
    """``count`` sessions that expire at the same moment."""
    for _ in range(count):
        yield replace(new_session(now), expires_at=expires_at)


def logouts(count: int, now: Instant, expires_at: Instant) -> Iterator[Entry]:
    """Entries of as many ended sessions."""
    for number in range(1, count + 1):
        sid = encode_handle(os.urandom(16))
        yield Entry(Kind.SESSION, sid, ENDED, now, expires_at, number)


async def fill(port: Any, sessions: Iterable[Session], told: Any) -> None:
    """Insert them through ``port``, as logins would; ``told(n)`` after each ``n`` of them."""
    pending = iter(sessions)

    async def one() -> None:
        # One iterator for all of them: who is free takes the next.
        while batch := list(islice(pending, 100)):
            for session in batch:
                await port.insert(session)
            told(len(batch))

    await asyncio.gather(*(one() for _ in range(TOGETHER)))
