"""A primary and a hot standby: whatever decides is read from the primary, and after a promotion from the new one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from keyturn import Issuer
from keyturn.errors import StoreUnavailable, Unauthenticated
from keyturn.stores.log_follower import LogFollower
from keyturn.stores.open import open_store
from keyturn.stores.sql.store import AsyncSqlStore, SqlStore
from keyturn.testing.blocking import Blocking
from keyturn.testing.contract.records import new_session
from services.postgres import Postgres
from services.process import until
from stores.recording_sink import RecordingSink, mark

KINDS = ["psycopg, threads", "postgresql+psycopg", "postgresql+asyncpg"]


@pytest.fixture
def pair() -> Iterator[tuple[Postgres, Postgres]]:
    primary = Postgres()
    primary.start()
    standby = primary.standby()
    yield primary, standby
    for each in (primary, standby):
        each.remove()


def sync_and_async(first: Postgres, second: Postgres, database: str) -> str:
    return first.url(database).replace(f":{first.port}/", f":{first.port},127.0.0.1:{second.port}/")


@contextmanager
def opened(kind: str, url: str) -> Iterator[tuple[Any, SqlStore]]:
    """Yield a store and its sync counterpart for the log follower."""
    if "threads" in kind:
        store = SqlStore(url)
        yield store, store
        store.close()
        return
    awaited = AsyncSqlStore(url.replace("postgresql", kind, 1))
    blocking = Blocking(awaited)
    yield blocking, awaited.store
    blocking.close()


def done(act: Callable[[], object]) -> Callable[[], bool]:
    def asked() -> bool:
        try:
            act()
        except StoreUnavailable:
            return False
        return True

    return asked


@pytest.mark.parametrize("kind", KINDS)
def test_a_promotion_loses_no_acknowledged_write_and_needs_no_restart(
    pair: tuple[Postgres, Postgres], kind: str, sink: RecordingSink
) -> None:
    primary, standby = pair
    # Commits wait for the standby, too: what is acknowledged survives the loss of the primary.
    primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.run("SELECT pg_reload_conf()")
    database = primary.database().rpartition("/")[2]
    # Named first, it is not asked: it may not have heard of a revocation yet.
    with opened(kind, sync_and_async(standby, primary, database)) as (store, plain):
        session = new_session()
        store.sessions.insert(session)
        follower = LogFollower(plain.log, sink, notifier=plain.watch())
        follower.poll_once(1.0)
        entry = mark(store)
        follower.poll_once(2.0)
        with pytest.raises(StoreUnavailable):
            open_store(standby.url(database))

        primary.kill()
        assert not done(lambda: store.sessions.load(session.sid))()
        standby.promote()
        until(done(lambda: store.sessions.load(session.sid)), lambda: "it did not find the new primary")
        assert store.sessions.load(session.sid) is not None
        later = mark(store)
        assert later.sequence == entry.sequence + 1
        until(done(lambda: follower.poll_once(3.0)), lambda: "the log was not found")
        assert sink.entries == [entry]
        assert sink.resets[-1].entries == (entry, later)
        follower.close()


def test_a_standby_that_missed_an_entry_has_another_log(pair: tuple[Postgres, Postgres], sink: RecordingSink) -> None:
    primary, standby = pair
    database = primary.database().rpartition("/")[2]
    with opened("threads", sync_and_async(primary, standby, database)) as (store, _):
        follower = LogFollower(store.log, sink, notifier=store.watch())
        follower.poll_once(1.0)
        heard = mark(store, "heard")
        until(lambda: _count(standby, "revocations", database) == 1, lambda: "not replicated")
        standby.run("ALTER SYSTEM SET primary_conninfo = ''")
        standby.run("SELECT pg_reload_conf()")
        until(lambda: primary.run("SELECT count(*) FROM pg_stat_replication") == [(0,)], lambda: "still replicated")
        lost = mark(store, "lost")
        follower.poll_once(2.0)
        assert sink.entries == [heard, lost]

        primary.kill()
        standby.promote()
        until(done(lambda: store.log.sequence()), lambda: "it did not find the new primary")
        instead = mark(store, "instead")
        assert instead.sequence == lost.sequence
        until(done(lambda: follower.poll_once(3.0)), lambda: "the log was not found")
        assert sink.resets[-1].entries == (heard, instead)
        assert len({page.log_id for page in sink.resets}) == 2
        follower.close()


def test_a_revocation_that_would_be_lost_is_not_acknowledged_however_often_it_is_asked_for(
    pair: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    primary, standby = pair
    database = primary.database().rpartition("/")[2]
    url = sync_and_async(primary, standby, database)
    with Issuer.from_env(data_dir=str(tmp_path), store=url, background=False) as issuer:
        issued = issuer.signup("ada@example.com", "violet umbrella 7 o clock", deliver="cookie")
        until(lambda: _count(standby, "sessions", database) == 1, lambda: "not replicated")
        # From here on a commit waits for a standby that is cut off: it happens on the primary only.
        primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        standby.run("ALTER SYSTEM SET primary_conninfo = ''")
        for each in (standby, primary):
            each.run("SELECT pg_reload_conf()")
        until(lambda: primary.run("SELECT count(*) FROM pg_stat_replication") == [(0,)], lambda: "still replicated")
        with pytest.raises(StoreUnavailable):
            issuer.logout(issued.sid)
        # The primary shows the commit once the wait is cancelled, as after a crash or a change of its settings.
        primary.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        until(lambda: _count(primary, "revocations", database) == 1, lambda: "it does not even happen on the primary")
        with pytest.raises(StoreUnavailable):
            issuer.logout(issued.sid)

        primary.kill()
        standby.promote()
        until(done(lambda: issuer.verify(str(issued.session_token))), lambda: "it did not find the new primary")
        issuer.logout(issued.sid)
        with pytest.raises(Unauthenticated):
            issuer.verify(str(issued.session_token))


def _count(server: Postgres, table: str, database: str) -> int:
    try:
        (found,) = server.run(f"SELECT count(*) FROM {table}", database)
    except psycopg.Error:
        return 0  # the database itself is still on its way
    return int(found[0])
