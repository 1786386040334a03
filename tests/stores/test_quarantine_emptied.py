"""A Redis that is the same one, and has lost what was in it: emptied, its log deleted, a record of it harmed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyturn.core.lifecycle import revoke
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.session import Session
from keyturn.stores.redis.keys import LOG, locate
from keyturn.testing.contract.records import LATER, NOW, new_increment, new_session
from services import RedisServer
from services.process import until
from stores.monitored_redis import MonitoredStore, loads


@pytest.fixture
def sync_and_async(own_redis: RedisServer, tmp_path: Path) -> Iterator[tuple[MonitoredStore, MonitoredStore]]:
    """Two processes' worth of it."""
    sync_and_async = (
        MonitoredStore(tmp_path / "one.db", own_redis.url),
        MonitoredStore(tmp_path / "one.db", own_redis.url),
    )
    yield sync_and_async
    for each in sync_and_async:
        each.close()


def end(monitored: MonitoredStore) -> Session:
    """End a session and add the revocation to this process."""
    session, sessions = new_session(), monitored.store.sessions
    sessions.insert(session)
    entry = Revocation(RevocationKind.SESSION, session.sid, ENDED, NOW, LATER)
    assert sessions.replace(revoke(sessions.load(session.sid), "logout", NOW), entry)
    monitored.add_revocation(entry)
    return session


def has_recovered(monitored: MonitoredStore) -> bool:
    quarantine = monitored.store.quarantine
    return quarantine.changes == 1 and not quarantine.is_active and not monitored.is_quarantined()


def verdict(monitored: MonitoredStore) -> set[tuple[RevocationKind, str]]:
    return {(each.kind, each.key) for each in monitored.store.log.snapshot().entries}


def test_an_emptied_redis_is_noticed_by_all_processes_and_its_log_replayed(
    sync_and_async: tuple[MonitoredStore, MonitoredStore], own_redis: RedisServer
) -> None:
    one, two = sync_and_async
    ended, voided = end(one), new_session()
    one.add_revocation(one.store.sessions.increment_generation(new_increment(voided.subject)))
    known_to_two_alone = end(two)
    number = one.store.log.snapshot().log_id
    with own_redis.client() as client:
        client.flushall()
    for each in sync_and_async:
        until(lambda: has_recovered(each), lambda: "it was not noticed")  # noqa: B023 - at once
    expected = {
        (RevocationKind.SESSION, ended.sid),
        (RevocationKind.SUBJECT, voided.subject),
        (RevocationKind.SESSION, known_to_two_alone.sid),
    }
    assert verdict(one) == expected
    assert one.store.log.snapshot().log_id != number
    assert one.store.sessions.revocation_floor(voided.subject, "").generation == voided.generation + 1


def test_a_deleted_log_is_replayed_once_for_all_processes(
    sync_and_async: tuple[MonitoredStore, MonitoredStore], own_redis: RedisServer
) -> None:
    one, two = sync_and_async
    ended = end(one)
    two.revocations.apply(Revocation(RevocationKind.SESSION, ended.sid, ENDED, NOW, LATER))
    with own_redis.client() as client:
        client.delete(LOG)
    for each in sync_and_async:
        until(lambda: has_recovered(each), lambda: "it was not noticed")  # noqa: B023 - at once
    assert verdict(one) == {(RevocationKind.SESSION, ended.sid)}
    assert len(one.store.log.snapshot().entries) == 1
    assert one.store.sessions.load(ended.sid).session.ended_at == NOW


def test_a_fully_purged_log_does_not_count_as_lost(
    sync_and_async: tuple[MonitoredStore, MonitoredStore], own_redis: RedisServer
) -> None:
    one, two = sync_and_async
    end(one)
    one.store.sessions.purge(LATER)
    with own_redis.client() as client:
        assert client.xlen(LOG) == 0
    for each in sync_and_async:
        each.store.quarantine.check_identity()
    assert [each.store.quarantine.changes for each in (one, two)] == [0, 0]


@pytest.mark.parametrize("harm", [b"\xdc\x00\x13\x01", b"\x81\xa1a\x01", b"", None])
def test_a_corrupt_record_does_not_prolong_the_quarantine(
    own_redis: RedisServer, tmp_path: Path, harm: bytes | None
) -> None:
    monitored = MonitoredStore(tmp_path / "one.db", own_redis.url)
    ended, other, kept = end(monitored), end(monitored), new_session()
    monitored.store.sessions.insert(kept)
    found = locate(ended.sid)
    assert found is not None
    key = found[0].session(found[1])
    with own_redis.client() as client:
        client.delete(key)
        client.rpush(key, "x") if harm is None else client.set(key, harm)
    own_redis.stop()
    own_redis.start()
    until(lambda: has_recovered(monitored), lambda: "it never ends")
    assert loads(monitored.store, kept)
    assert verdict(monitored) == {(RevocationKind.SESSION, ended.sid), (RevocationKind.SESSION, other.sid)}
    monitored.close()


def test_a_corrupt_record_does_not_block_other_sessions(own_redis: RedisServer, tmp_path: Path) -> None:
    monitored = MonitoredStore(tmp_path / "one.db", own_redis.url)
    harmed, kept = new_session(), new_session()
    for each in (harmed, kept):
        monitored.store.sessions.insert(each)
    found = locate(harmed.sid)
    assert found is not None
    with own_redis.client() as client:
        client.set(found[0].session(found[1]), b"\x81\xa1a\x01")
    for _ in range(50):
        assert not loads(monitored.store, harmed)
        assert loads(monitored.store, kept)
    monitored.close()
