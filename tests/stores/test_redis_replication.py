"""Redis with replicas that a write waits for: nothing is acknowledged that they do not have (P3)."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from flows.catalogue import FlowFixture, later
from interleavings.harness import T0
from keyturn.core.sealed import CredentialKind
from keyturn.core.session import Session
from keyturn.errors import NotDurable
from keyturn.flows import refresh
from keyturn.flows.verify import verify_session
from keyturn.stores.open import RedisSessions, open_store
from services import RedisServer
from services.process import until

Pair = tuple[RedisServer, RedisServer]


@pytest.fixture
def pair() -> Iterator[Pair]:
    primary = RedisServer()
    replica = RedisServer(replicaof=f"127.0.0.1 {primary.port}")
    primary.start()
    replica.start()
    _is_replicating(primary)
    yield primary, replica
    replica.remove()
    primary.remove()


def _is_replicating(primary: RedisServer) -> None:
    """Wait until a replica acknowledges what is written."""
    with primary.client() as client:
        until(lambda: client.set("x", 1) and client.wait(1, 500) == 1, lambda: "no replica")


@pytest.fixture
def store(pair: Pair, tmp_path: Path) -> Iterator[Any]:
    with closing(
        open_store(f"sqlite:///{tmp_path}/keyturn.db", redis_sessions=RedisSessions(pair[0].url, replicas=1))
    ) as store:
        yield store


def test_a_rotation_is_not_acknowledged_at_its_retry_either_before_a_replica_has_it(
    pair: Pair, store: Any, tmp_path: Path
) -> None:
    """Return no successor that only the primary has.

    After a failover the store would not know that successor, and would refuse the honest client as ahead of it.
    """
    primary, replica = pair
    flows = FlowFixture()
    with suppress(NotDurable):
        store.sessions.insert(flows.x.session)
    until(lambda: _is_durable(store, flows.x.session), lambda: "no replica ever had it")
    replica.kill()
    token, session = flows.sealed(CredentialKind.REFRESH, 0), flows.sealed(CredentialKind.SESSION, 0)
    for _ in range(3):
        with pytest.raises(NotDurable):
            flows.run(refresh(token, "tokens", T0, flows.realm), sessions=store.sessions)
    assert store.sessions.load(flows.sid).session.rotations == 1
    assert flows.run(verify_session(session, later(60), flows.realm), sessions=store.sessions), "a use goes unnoted"
    replica.start()
    _is_replicating(primary)
    issued, again = (_acknowledged(flows, token, store) for _ in range(2))
    assert issued.refresh_token.reveal() == again.refresh_token.reveal()
    primary.kill()
    with replica.client() as client:
        client.replicaof("no", "one")
    with closing(open_store(f"sqlite:///{tmp_path}/keyturn.db", redis_sessions=RedisSessions(replica.url))) as promoted:
        assert promoted.sessions.load(flows.sid).session.rotations == 1


def _is_durable(store: Any, session: Session) -> bool:
    with suppress(NotDurable):
        return bool(store.sessions.wait_durable(session))
    return False


def _acknowledged(flows: FlowFixture, token: str, store: Any) -> Any:
    """Refresh until a replica says in time that it has it: a busy machine may take a while."""
    for _ in range(30):
        with suppress(NotDurable):
            return flows.run(refresh(token, "tokens", T0, flows.realm), sessions=store.sessions)
    raise AssertionError("no replica ever had it")
