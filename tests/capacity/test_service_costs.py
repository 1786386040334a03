"""The costs of PostgreSQL and Redis that the model starts from, beside what real servers do on this machine now."""

import statistics
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.stores.sql.store import SqlStore
from keyturn_lab.capacity.costs import Costs
from services.fixtures import Fresh
from services.redis import RedisServer

Note = Callable[[str, object], None]

ROUNDS = 5
SECONDS = 0.3
APART = 12.0
"""Disks and machines differ by so much, and a figure that is right on one is not wrong on another."""

SWAP = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0"


def per_second(work: Callable[[], object]) -> float:
    """How often ``work`` can be done in a second: the median of some rounds."""
    rates = []
    for _ in range(ROUNDS):
        done, began_at = 0, time.perf_counter()
        while time.perf_counter() - began_at < SECONDS / ROUNDS:
            work()
            done += 1
        rates.append(done / (time.perf_counter() - began_at))
    return statistics.median(rates)


def near(figure: float, measured: float) -> None:
    assert figure / APART < measured < figure * APART


@pytest.mark.long(stands_in="tests/capacity/test_model.py::test_every_cost_names_its_source")
def test_postgresql(fresh: Fresh, record_property: Note) -> None:
    url, costs, now = fresh("postgresql"), Costs(), Instant(int(time.time()))
    store = SqlStore(url)
    appends = per_second(
        lambda: store.sessions.raise_not_before(Revocation(RevocationKind.CLIENT, "web", 1, now, Instant(now + 60)))
    )
    store.close()
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        connection.execute("CREATE TABLE one (id int PRIMARY KEY, value bigint)")
        connection.execute("INSERT INTO one VALUES (1, 0)")
        reads = per_second(lambda: connection.execute("SELECT value FROM one WHERE id = %s", (1,)).fetchone())
        writes = per_second(lambda: connection.execute("UPDATE one SET value = value + 1 WHERE id = %s", (1,)))
    record_property(
        "figure",
        f"capacity: PostgreSQL, one client: {reads:,.0f} reads/s, {writes:,.0f} durable updates/s, "
        f"{appends:,.0f} revocations/s",
    )
    near(costs.postgresql_appends, appends)
    # One client waits for the server's disk and for its own turn; many at once reach the figures of the model.
    assert 0 < reads < costs.postgresql_reads * APART
    assert 0 < writes < costs.postgresql_writes * APART


@pytest.fixture(scope="module")
def engine() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.mark.long(stands_in="tests/capacity/test_model.py::test_every_cost_names_its_source")
def test_redis(engine: RedisServer, record_property: Note) -> None:
    costs = Costs()
    with engine.client() as client:
        client.set("one", "0")
        swap = client.register_script(SWAP)
        swap(["one"], ["0", "0"])
        with client.pipeline(transaction=False) as pipeline:

            def swaps() -> None:
                for _ in range(100):
                    swap(["one"], ["0", "0"], client=pipeline)
                pipeline.execute()

            swapped = 100 * per_second(swaps)
        entry = {"e": b"x" * 100}
        appended = per_second(lambda: client.xadd("log", entry, maxlen=1000))
    record_property("figure", f"capacity: Redis: {swapped:,.0f} swaps/s pipelined, {appended:,.0f} appends/s alone")
    near(costs.redis_operations, swapped)
    assert appended > 0
