from collections.abc import Callable
from threading import Event, Thread

from keyturn.stores.log_follower import InProcessFeed, connect_feed
from keyturn.stores.memory import MemoryStore
from keyturn.stores.open import open_store
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.stores.sql.store import SqlStore
from stores.recording_sink import RecordingSink, mark


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


def test_an_in_process_feed_is_immediate_and_always_fresh() -> None:
    store = open_store("memory:")
    before = mark(store)
    session_cache = LocalSessionCache(0.0, lambda: 1e12)
    feed = connect_feed(store, session_cache)
    assert isinstance(feed, InProcessFeed)
    assert session_cache.sequence == before.sequence
    after = mark(store)
    assert session_cache.sequence == after.sequence
    assert session_cache.is_fresh
    feed.close()
    mark(store)
    assert session_cache.sequence == after.sequence


def test_in_process_feeds_run_until_they_are_stopped(sink: RecordingSink) -> None:
    feed = connect_feed(MemoryStore(), sink)
    stop = Event()
    stop.set()
    feed.run_thread(stop)
