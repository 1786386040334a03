"""A crowd: sessions and revocations by the million, as logins and logouts would leave them."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from keyturn.core.lifecycle import open_session
from keyturn.core.policy import PROFILES
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.session import ClientInfo, RevocationFloor, Seed, Session
from keyturn.core.session_id import encode_session_id, new_session_id
from keyturn.core.types import EPOCH, Instant, Subject

CLIENT = ClientInfo("default", "Firefox on Linux", "203.0.113.7")
TOGETHER = 64
"""Logins under way at once."""


def new_subject() -> Subject:
    """As a signup names one."""
    return Subject(encode_session_id(os.urandom(16)))


def new_session(now: Instant, subject: Subject | None = None) -> Session:
    """As a login leaves one, of a person of its own unless ``subject`` is said."""
    owner = subject or new_subject()
    sid = new_session_id(owner, os.urandom(16))
    draft = Session(sid, owner, Seed(os.urandom(32)), CLIENT, 0, now, now, now, EPOCH)
    return open_session(draft, RevocationFloor(), now, PROFILES["browser"].session)


def crowd(count: int, now: Instant, expires_at: Instant) -> Iterator[Session]:
    """``count`` sessions that expire at the same moment."""
    for _ in range(count):
        yield replace(new_session(now), expires_at=expires_at)


def logouts(count: int, now: Instant, expires_at: Instant) -> Iterator[Revocation]:
    """Entries of as many ended sessions."""
    for number in range(1, count + 1):
        sid = encode_session_id(os.urandom(16))
        yield Revocation(RevocationKind.SESSION, sid, ENDED, now, expires_at, number)


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
