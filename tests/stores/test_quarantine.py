"""A Redis with sessions in it that restarts or goes back in time: noticed, said, waited out, mended."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from keyturn.core.lifecycle import revoke
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationSet, Verdict
from keyturn.core.types import Instant
from keyturn.errors import StoreQuarantined, StoreUnavailable
from keyturn.stores.log_follower import connect_feed
from keyturn.stores.open import RedisSessions, open_store
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.testing.contract.records import LATER, NOW, new_increment, new_session
from server_process import run_server
from server_process.process import PASSWORD
from services import RedisServer
from services.process import until
from stores.monitored_redis import MonitoredStore, reads


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """One that keeps what was saved when it was told to, and loses the rest in a crash."""
    server = RedisServer(appendonly="no")
    server.start()
    yield server
    server.remove()


@pytest.fixture
def monitored(server: RedisServer, tmp_path: Path) -> Iterator[MonitoredStore]:
    monitored = MonitoredStore(tmp_path / "keyturn.db", server.url)
    yield monitored
    monitored.close()


def test_no_quarantine_begins_without_a_restart(monitored: MonitoredStore) -> None:
    monitored.store.sessions.insert(new_session())
    time.sleep(0.6)
    assert not monitored.is_quarantined()
    assert monitored.store.quarantine.changes == 0


def test_the_first_call_after_an_outage_waits_for_the_check(monitored: MonitoredStore, server: RedisServer) -> None:
    """No request failed meanwhile: a pooled connection would be opened again and answer from the restarted server."""
    session = new_session()
    monitored.store.sessions.insert(session)
    server.kill()
    until(lambda: monitored.store.quarantine._is_suspected)
    monitored.store.quarantine.check_identity = raise_unavailable
    server.start()
    with pytest.raises(StoreUnavailable, match="identity"):
        monitored.store.sessions.load(session.sid)


def raise_unavailable() -> None:
    raise StoreUnavailable("no check has succeeded yet")


def test_lost_revocations_are_replayed_before_sessions_are_read(monitored: MonitoredStore, server: RedisServer) -> None:
    sessions, log = monitored.store.sessions, monitored.store.log
    ended, voided, old, renewed, kept = (new_session() for _ in range(5))
    for each in (ended, voided, old, renewed, kept):
        sessions.insert(each)
    with server.client() as client:
        client.save()
    number = log.snapshot().log_id
    entry = Revocation(RevocationKind.SESSION, ended.sid, ENDED, NOW, LATER)
    sessions.replace(revoke(sessions.load(ended.sid), "logout", NOW), entry)
    monitored.add_revocation(entry)
    monitored.add_revocation(sessions.increment_generation(new_increment(voided.subject)))
    monitored.add_revocation(sessions.raise_not_before(Revocation(RevocationKind.CLIENT, "web", NOW, NOW, LATER)))
    monitored.add_revocation(sessions.raise_not_before(Revocation(RevocationKind.EVERYTHING, "", NOW - 9, NOW, LATER)))
    monitored.add_revocation(Revocation(RevocationKind.SESSION, renewed.sid, 3, NOW, LATER))
    monitored.add_revocation(Revocation(RevocationKind.SESSION, "nobody's any more".ljust(22, "A"), ENDED, NOW, LATER))
    server.kill()
    server.start()
    until(lambda: monitored.store.quarantine.changes == 1)
    until(lambda: not monitored.is_quarantined() and not monitored.store.quarantine.is_active)
    assert sessions.load(ended.sid).session.ended_at == NOW
    assert sessions.load(renewed.sid).session.renewals == 3
    assert sessions.load(kept.sid).session.ended_at is None
    assert sessions.revocation_floor(voided.subject, "web").generation == voided.generation + 1
    assert sessions.revocation_floor(voided.subject, "web").not_before == NOW
    assert sessions.revocation_floor(voided.subject, "other").not_before == NOW - 9
    assert log.snapshot().log_id != number, "readers would take up where they were, and miss what was laid back"
    keys = {(each.kind, each.key) for each in log.snapshot().entries}
    assert {
        (RevocationKind.SESSION, ended.sid),
        (RevocationKind.SUBJECT, voided.subject),
        (RevocationKind.CLIENT, "web"),
    } <= keys
    assert monitored.store.quarantine.changes == 1


@pytest.fixture
def monitored_slowly(server: RedisServer, tmp_path: Path) -> Iterator[MonitoredStore]:
    """As ``watched``, whose sessions are not believed for long after its log is."""
    monitored = MonitoredStore(tmp_path / "keyturn.db", server.url, seconds=60.0)
    yield monitored
    monitored.close()


def test_no_follower_is_complete_before_lost_revocations_are_replayed(
    monitored_slowly: MonitoredStore, server: RedisServer
) -> None:
    """P4: the log of a Redis that lost writes lacks an acknowledged revocation.

    A follower that trusted it would accept the revoked session until it expires.
    """
    sessions, log, session_cache = monitored_slowly.store.sessions, monitored_slowly.store.log, LocalSessionCache(60.0)
    with closing(connect_feed(monitored_slowly.store, session_cache, now=lambda: NOW)) as feed:
        ended = new_session()
        sessions.insert(ended)
        with server.client() as client:
            client.save()
        entry = Revocation(RevocationKind.SESSION, ended.sid, ENDED, NOW, LATER)
        sessions.replace(revoke(sessions.load(ended.sid), "logout", NOW), entry)
        monitored_slowly.add_revocation(entry)
        monitored_slowly.revocations_readable.clear()
        server.kill()
        server.start()
        until(lambda: monitored_slowly.store.quarantine.changes == 1)
        for read in (log.snapshot, log.sequence, lambda: log.after(0, 9), lambda: feed.poll_once(time.monotonic())):
            with pytest.raises(StoreQuarantined):
                read()
        assert not session_cache.is_fresh
        monitored_slowly.revocations_readable.set()
        until(lambda: reads(log))
        assert monitored_slowly.is_quarantined(), "the log is needed sooner than the sessions"
        feed.poll_once(time.monotonic())
        assert session_cache.is_fresh
        assert session_cache.check(ended.sid, ended.subject, 0, "web", NOW) is Verdict.REVOKED


def test_a_log_is_checked_before_use_after_an_outage(monitored: MonitoredStore, server: RedisServer) -> None:
    quarantine = monitored.store.quarantine
    with closing(monitored.store.watch()) as watch:
        monitored.revocations_readable.clear()
        server.kill()
        with pytest.raises(StoreUnavailable):
            watch.change_token()
        server.start()
        with pytest.raises(StoreUnavailable):
            watch.change_token()
        monitored.revocations_readable.set()
        until(lambda: reads(monitored.store.log))
        assert quarantine.changes == 1, "it was read before anybody had looked"
        assert watch.change_token()[1] is not None


def test_a_starting_process_checks_redis_before_the_first_read(server: RedisServer, tmp_path: Path) -> None:
    store: Any = open_store(f"sqlite:///{tmp_path / 'keyturn.db'}", redis_sessions=RedisSessions(server.url))
    server.kill()
    store.quarantine.expect_failover()
    server.start()
    with pytest.raises(StoreUnavailable, match="identity"):
        store.sessions.load(new_session().sid)
    store.quarantine.expect_failover()
    assert store.sessions.load(new_session().sid) is None
    store.close()


def test_a_restart_without_a_running_process_is_noticed_at_the_next_start(server: RedisServer, tmp_path: Path) -> None:
    first = MonitoredStore(tmp_path / "keyturn.db", server.url)
    first.close()
    with server.client() as client:
        client.save()
    server.kill()
    server.start()
    second = MonitoredStore(tmp_path / "keyturn.db", server.url)
    assert second.store.quarantine.changes == 1
    until(lambda: not second.store.quarantine.is_active)
    second.close()


def test_a_redis_is_checked_before_use_after_an_outage(monitored: MonitoredStore, server: RedisServer) -> None:
    server.kill()
    with pytest.raises(StoreUnavailable):
        monitored.store.sessions.load(new_session().sid)
    server.start()
    until(lambda: monitored.store.quarantine.changes == 1)
    until(lambda: not monitored.is_quarantined() and not monitored.store.quarantine.is_active)


def test_a_server_says_so_refuses_and_comes_back(tmp_path: Path) -> None:
    redis = RedisServer()
    redis.start()
    try:
        with run_server(
            tmp_path / "data", algorithm="ES256", session_store=redis.url, quarantine_seconds="8"
        ) as server:
            body = {"email": "ada@example.com", "password": PASSWORD}
            with server.client() as client:
                assert client.post("/auth/signup", json=body).status_code == 201
                assert client.get("/readyz").json()["quarantine"] is False
                redis.kill()
                redis.start()
                until(lambda: client.get("/readyz").json().get("quarantine") is True)
                assert client.get("/readyz").status_code == 503
                refused = httpx.post(server.url + "/auth/login", json=body, timeout=30)
                assert (refused.status_code, refused.json()["code"]) == (503, "store_quarantined")
                assert 1 <= int(refused.headers["retry-after"]) <= 9
                assert "keyturn_store_quarantined 1.0" in httpx.get(server.url + "/metrics").text
                until(lambda: client.get("/readyz").status_code == 200)
                assert client.get("/auth/session").status_code == 200, "a quarantine logs nobody out"
                assert "keyturn_redis_failovers_total 1.0" in httpx.get(server.url + "/metrics").text
            assert "restarted or failed over" in server.log.read_text()
    finally:
        redis.remove()


def test_the_entries_of_a_revocation_set_can_be_replayed() -> None:
    known = RevocationSet()
    entries = [
        Revocation(RevocationKind.SESSION, "a", ENDED, NOW, LATER),
        Revocation(RevocationKind.SESSION, "b", 2, NOW, LATER),
        Revocation(RevocationKind.SUBJECT, "ada", 4, NOW, LATER),
        Revocation(RevocationKind.CLIENT, "web", 7, NOW, LATER),
        Revocation(RevocationKind.EVERYTHING, "", 5, NOW, Instant(LATER + 1)),
    ]
    for each in entries:
        known.apply(each)
    by_the_minute = replace(entries[0], expires_at=Instant(-(-LATER // 60) * 60))
    assert set(known.entries(NOW)) == {by_the_minute, *entries[1:]}
    assert list(RevocationSet().entries(NOW)) == []
