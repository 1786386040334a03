import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import pytest

from keyturn.core.revocation import Revocation, RevocationKind, RevocationPage
from keyturn.errors import StoreUnavailable
from keyturn.stores.log_follower import POLL_SECONDS, InProcessFeed, LogFollower, connect_feed
from keyturn.stores.memory import MemoryStore
from keyturn.stores.open import open_async_store, open_store
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.stores.sql.store import AsyncSqlStore, SqlStore
from stores.recording_sink import LATER, NOW, RecordingSink, mark


def test_a_thread_carries_a_revocation_to_the_near_cache(store: SqlStore) -> None:
    session_cache = LocalSessionCache(30.0)
    feed = connect_feed(store, session_cache)
    stop = Event()
    thread = Thread(target=feed.run_thread, args=(stop,), kwargs={"interval_seconds": 0.002})
    thread.start()
    try:
        entry = mark(store)
        assert _wait_for(lambda: session_cache.is_fresh and session_cache.sequence == entry.sequence)
    finally:
        stop.set()
        thread.join()
        feed.close()


def _wait_for(true: Callable[[], bool]) -> bool:
    pause = Event()
    return any(true() or pause.wait(0.01) for _ in range(3000))


def test_a_task_carries_a_revocation_to_the_near_cache(url: str) -> None:
    async def main() -> None:
        store = open_async_store(url)
        assert isinstance(store, AsyncSqlStore)
        session_cache = LocalSessionCache(30.0)
        feed = connect_feed(store, session_cache)
        task = asyncio.create_task(feed.run(interval_seconds=0.002))
        entry = await store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, "web", NOW, NOW, LATER))
        async with asyncio.timeout(30):
            while session_cache.sequence != entry.sequence:  # noqa: ASYNC110 - the cache has no callback
                await asyncio.sleep(0.002)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        feed.close()
        await store.close()

    asyncio.run(main())


def test_an_async_log_is_retried_after_a_failure(sink: RecordingSink) -> None:
    async def main() -> None:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if sink.confirmed:
                raise asyncio.CancelledError

        class Log:
            async def snapshot(self) -> RevocationPage:
                if len(pauses) < 2:
                    raise StoreUnavailable("away")
                return RevocationPage((), 0)

        follower = LogFollower(Log(), sink, jitter=lambda: 1.0)
        with suppress(asyncio.CancelledError):
            await follower.run(sleep=sleep)
        assert pauses == [0.05, 0.1, POLL_SECONDS]

    asyncio.run(main())


@pytest.mark.parametrize("opening", [open_store, open_async_store])
def test_an_in_process_feed_is_immediate_and_always_fresh(opening: Callable[[str], Any]) -> None:
    store = opening("memory:")
    plain = getattr(store, "store", store)
    before = mark(plain)
    session_cache = LocalSessionCache(0.0, lambda: 1e12)
    feed = connect_feed(store, session_cache)
    assert isinstance(feed, InProcessFeed)
    assert session_cache.sequence == before.sequence
    after = mark(plain)
    assert session_cache.sequence == after.sequence
    assert session_cache.is_fresh
    feed.close()
    mark(plain)
    assert session_cache.sequence == after.sequence


def test_in_process_feeds_run_until_they_are_stopped(sink: RecordingSink) -> None:
    feed = connect_feed(MemoryStore(), sink)
    stop = Event()
    stop.set()
    feed.run_thread(stop)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await feed.run()

    asyncio.run(main())
