"""How long Redis itself keeps a session: three hours past its end, and ten years at most."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keyturn.core.session import Session
from keyturn.core.types import Instant
from keyturn.stores.open import RedisSessions, open_store
from keyturn.stores.redis.keys import locate
from keyturn.testing.contract.records import NOW, new_session
from services import RedisServer

HOUR, YEAR = 3600, 365 * 86400
TOLERANCE = 60
"""Seconds that may pass between a write and the look at its time to live."""


@pytest.fixture
def store(empty_redis: RedisServer, tmp_path: Path) -> Iterator[Any]:
    store = open_store(f"sqlite:///{tmp_path}/keyturn.db", redis_sessions=RedisSessions(empty_redis.url))
    yield store
    store.close()


def time_to_live(server: RedisServer, session: Session) -> float:
    found = locate(session.sid)
    assert found is not None
    place, handle = found
    with server.client() as client:
        milliseconds = client.pttl(place.session(handle))
    assert isinstance(milliseconds, int)
    return milliseconds / 1000


@pytest.mark.parametrize(
    ("lifetime_seconds", "kept_seconds"),
    [(0, 3 * HOUR), (HOUR, 4 * HOUR), (YEAR, YEAR + 3 * HOUR), (10 * YEAR, 10 * YEAR), (100 * YEAR, 10 * YEAR)],
)
def test_redis_expires_a_session_three_hours_past_its_end_within_ten_years(
    store: Any, empty_redis: RedisServer, lifetime_seconds: int, kept_seconds: int
) -> None:
    session = new_session(expires_at=Instant(NOW + lifetime_seconds))
    store.sessions.insert(session)
    assert kept_seconds - TOLERANCE <= time_to_live(empty_redis, session) <= kept_seconds
