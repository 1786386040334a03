"""Corrupt and foreign records in Redis: each read gives a typed refusal or the true value; other records stay valid."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from keyturn.core.lifecycle import revoke
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.session import LoadedSession, RevocationFloor, Session
from keyturn.errors import StoreUnavailable
from keyturn.stores.open import RedisSessions, open_store
from keyturn.stores.redis.keys import locate
from keyturn.testing.contract.records import LATER, NOW, new_increment, new_session
from services.redis import RedisServer

FLIPS = 400


@pytest.fixture
def store(empty_redis: RedisServer, tmp_path: Path) -> Iterator[Any]:
    store = open_store(f"sqlite:///{tmp_path}/keyturn.db", redis_sessions=RedisSessions(empty_redis.url))
    yield store
    store.close()


def everything(store: Any, session: Session) -> dict[str, Callable[[], object]]:
    """Whatever reads or writes something of a session."""
    ended = revoke(LoadedSession(session, RevocationFloor()), "logout", NOW)
    entry = Revocation(RevocationKind.SESSION, session.sid, ENDED, NOW, LATER)
    return {
        "load": lambda: store.sessions.load(session.sid),
        "marks": lambda: store.sessions.revocation_floor(session.subject, session.client.client_id),
        "list": lambda: store.sessions.list(session.subject),
        "settle": lambda: store.sessions.wait_durable(session),
        "replace": lambda: store.sessions.replace(ended, entry),
        "void": lambda: store.sessions.increment_generation(new_increment(session.subject)),
        "after": lambda: store.log.after(0, 100),
        "snapshot": lambda: store.log.snapshot(),
        "purge": lambda: store.sessions.purge(NOW),
    }


HARM: dict[str, Callable[[Any, bytes], object]] = {
    "a list": lambda client, key: client.rpush(key, "x"),
    "nothing": lambda client, key: client.set(key, b""),
    "noise": lambda client, key: client.set(key, bytes(range(256))),
    "an array cut short": lambda client, key: client.set(key, b"\xdc\x00\x13\x01"),
    "a map": lambda client, key: client.set(key, b"\x81\xa1a\x01"),
    "a stream of something else": lambda client, key: client.xadd(key, {"a": "b"}, id="7-0"),
    "a table of noise": lambda client, key: client.hset(
        key, mapping={"g": "x", "e": "x", "h": "x", "s": "x", "n": "x"}
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_every_key_replaced(store: Any, empty_redis: RedisServer, harm: str) -> None:
    refused = set()
    with empty_redis.client() as client:
        for number in range(len(_keys(client, store))):
            client.flushdb()
            session = new_session()
            key = _keys(client, store, session)[number]
            client.delete(key)
            HARM[harm](client, key)
            for name, ask in everything(store, session).items():
                try:
                    ask()
                except StoreUnavailable:
                    refused.add(name)
    assert {"load", "list"} <= refused


def _keys(client: Any, store: Any, session: Session | None = None) -> list[bytes]:
    """Of one session in a full life."""
    session = session or new_session()
    store.sessions.insert(session)
    store.sessions.increment_generation(new_increment(session.subject))
    return sorted(client.keys("*"), key=lambda key: (key[4:], key))


def test_a_bit_that_fell_over_is_a_refusal_or_not_noticed(store: Any, empty_redis: RedisServer) -> None:
    chance, refused = random.Random(5), 0
    with empty_redis.client() as client:
        for _ in range(FLIPS):
            session = new_session()
            store.sessions.insert(session)
            (key,) = client.keys("{??}s*")
            value = bytearray(client.get(key))
            value[chance.randrange(len(value))] ^= 1 << chance.randrange(8)
            client.set(key, bytes(value))
            for ask in everything(store, session).values():
                try:
                    ask()
                except StoreUnavailable:
                    refused += 1
            client.flushdb()
    assert refused > FLIPS // 10


def test_undamaged_records_stay_readable(store: Any, empty_redis: RedisServer) -> None:
    harmed, whole = new_session(), new_session()
    with empty_redis.client() as client:
        store.sessions.insert(harmed)
        (key,) = client.keys("{??}s*")
        store.sessions.insert(whole)
        client.set(key, b"\x81\xa1a\x01")
    with suppress(StoreUnavailable):
        store.sessions.load(harmed.sid)
    assert store.sessions.load(whole.sid).session == whole
    assert store.sessions.increment_generation(new_increment(harmed.subject)).value == 1, (
        "its person can still end everything"
    )


@pytest.mark.parametrize("setting", [("maxmemory", 1), ("min-replicas-to-write", 1)])
def test_a_redis_that_takes_no_write_can_be_read(
    own_redis: RedisServer, tmp_path: Path, setting: tuple[str, int]
) -> None:
    """Keep the feed readable while Redis is full or lacks its replicas: verifiers depend on it."""
    store: Any = open_store(f"sqlite:///{tmp_path}/keyturn.db", redis_sessions=RedisSessions(own_redis.url))
    session = new_session()
    gone = new_session(subject=session.subject)
    for each in (session, gone):
        store.sessions.insert(each)
    store.log.snapshot()
    found = locate(gone.sid)
    assert found is not None
    with own_redis.client() as client:
        client.delete(found[0].session(found[1]))  # the list still names it: to list is to tidy up
        client.config_set(*setting)
    for ask in (store.log.snapshot, lambda: store.log.after(0, 9), lambda: store.sessions.load(session.sid)):
        ask()
    assert [each.session.sid for each in store.sessions.list(session.subject)] == [session.sid]
    with pytest.raises(StoreUnavailable):
        store.sessions.increment_generation(new_increment(session.subject))
    store.close()
