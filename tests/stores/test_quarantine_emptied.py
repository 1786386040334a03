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
from stores.monitored_redis import Watched, loads


@pytest.fixture
def both(own_redis: RedisServer, tmp_path: Path) -> Iterator[tuple[Watched, Watched]]:
    """Two processes' worth of it."""
    both = Watched(tmp_path / "one.db", own_redis.url), Watched(tmp_path / "one.db", own_redis.url)
    yield both
    for each in both:
        each.close()


def end(watched: Watched) -> Session:
    """A session that was ended, as this process remembers."""
    session, sessions = new_session(), watched.store.sessions
    sessions.insert(session)
    entry = Revocation(RevocationKind.SESSION, session.sid, ENDED, NOW, LATER)
    assert sessions.replace(revoke(sessions.load(session.sid), "logout", NOW), entry)
    watched.remember(entry)
    return session


def is_over(watched: Watched) -> bool:
    quarantine = watched.store.quarantine
    return quarantine.changes == 1 and not quarantine.is_active and not watched.quarantined()


def told(watched: Watched) -> set[tuple[RevocationKind, str]]:
    return {(each.kind, each.key) for each in watched.store.log.snapshot().entries}


def test_one_that_was_emptied_is_noticed_by_all_and_its_log_told_again(
    both: tuple[Watched, Watched], own_redis: RedisServer
) -> None:
    one, two = both
    ended, voided = end(one), new_session()
    one.remember(one.store.sessions.increment_generation(new_increment(voided.subject)))
    known_to_two_alone = end(two)
    number = one.store.log.snapshot().log_id
    with own_redis.client() as client:
        client.flushall()
    for each in both:
        until(lambda: is_over(each), lambda: "it was not noticed")  # noqa: B023 - at once
    expected = {
        (RevocationKind.SESSION, ended.sid),
        (RevocationKind.SUBJECT, voided.subject),
        (RevocationKind.SESSION, known_to_two_alone.sid),
    }
    assert told(one) == expected
    assert one.store.log.snapshot().log_id != number
    assert one.store.sessions.revocation_floor(voided.subject, "").generation == voided.generation + 1


def test_a_log_that_was_deleted_is_told_again_once_for_all_processes(
    both: tuple[Watched, Watched], own_redis: RedisServer
) -> None:
    one, two = both
    ended = end(one)
    two.known.apply(Revocation(RevocationKind.SESSION, ended.sid, ENDED, NOW, LATER))
    with own_redis.client() as client:
        client.delete(LOG)
    for each in both:
        until(lambda: is_over(each), lambda: "it was not noticed")  # noqa: B023 - at once
    assert told(one) == {(RevocationKind.SESSION, ended.sid)}
    assert len(one.store.log.snapshot().entries) == 1
    assert one.store.sessions.load(ended.sid).session.ended_at == NOW


def test_a_log_that_was_purged_to_its_end_is_not_taken_for_lost(
    both: tuple[Watched, Watched], own_redis: RedisServer
) -> None:
    one, two = both
    end(one)
    one.store.sessions.purge(LATER)
    with own_redis.client() as client:
        assert client.xlen(LOG) == 0
    for each in both:
        each.store.quarantine.check_identity()
    assert [each.store.quarantine.changes for each in (one, two)] == [0, 0]


@pytest.mark.parametrize("harm", [b"\xdc\x00\x13\x01", b"\x81\xa1a\x01", b"", None])
def test_a_record_that_cannot_be_read_does_not_keep_everybody_out(
    own_redis: RedisServer, tmp_path: Path, harm: bytes | None
) -> None:
    watched = Watched(tmp_path / "one.db", own_redis.url)
    ended, other, kept = end(watched), end(watched), new_session()
    watched.store.sessions.insert(kept)
    found = locate(ended.sid)
    assert found is not None
    key = found[0].session(found[1])
    with own_redis.client() as client:
        client.delete(key)
        client.rpush(key, "x") if harm is None else client.set(key, harm)
    own_redis.stop()
    own_redis.start()
    until(lambda: is_over(watched), lambda: "it never ends")
    assert loads(watched.store, kept)
    assert told(watched) == {(RevocationKind.SESSION, ended.sid), (RevocationKind.SESSION, other.sid)}
    watched.close()


def test_a_record_that_cannot_be_read_makes_nobody_else_wait(own_redis: RedisServer, tmp_path: Path) -> None:
    watched = Watched(tmp_path / "one.db", own_redis.url)
    harmed, kept = new_session(), new_session()
    for each in (harmed, kept):
        watched.store.sessions.insert(each)
    found = locate(harmed.sid)
    assert found is not None
    with own_redis.client() as client:
        client.set(found[0].session(found[1]), b"\x81\xa1a\x01")
    for _ in range(50):
        assert not loads(watched.store, harmed)
        assert loads(watched.store, kept)
    watched.close()
