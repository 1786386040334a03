"""One refresh token, a thousand simultaneous uses: one lineage, one successor, and the session stays valid."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from interleavings.child import REALM, counter, logged_in_users, use, use_at_once, use_from_another_process
from interleavings.harness import T0, make_test_ports
from keyturn.errors import StoreUnavailable
from keyturn.flows.drive import drive, drive_async
from keyturn.flows.refresh import refresh
from keyturn.flows.verify import verify_session
from keyturn.stores.open import RedisSessions, open_async_store, open_store

USES = 1000
PROCESSES = 4

Note = Callable[[str, int, float], None]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Note:
    def record_count(name: str, uses: int, seconds: float) -> None:
        rate = uses / seconds
        record_property("figure", f"{name}: {uses} uses of one refresh token in {seconds:.2f} s ({rate:,.0f}/s)")

    return record_count


def judge(store: Any, issued: Any, successors: list[str], uses: int = USES) -> None:
    """``store``: sync. All of them hold the one successor, and both keys of the session still turn."""
    assert len(successors) == uses
    assert len(set(successors)) == 1
    assert counter(successors[0]) == 1
    found = store.sessions.load(issued.session.sid)
    assert (found.session.rotations, found.session.ended_at) == (1, None)
    assert counter(use(store, successors[0])) == 2
    principal = drive(verify_session(issued.session_token.reveal(), T0, REALM), make_test_ports(store))
    assert principal.sid == issued.session.sid


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql", "redis", "redis cluster"])
def test_threads(kind: str, url: str, redis_sessions: RedisSessions | None, figure: Note) -> None:
    store = open_store(url, redis_sessions=redis_sessions)
    (issued,) = logged_in_users(store, 1)
    began = time.perf_counter()
    successors = use_at_once(store, issued.refresh_token.reveal(), USES)
    figure(f"{kind}, threads", USES, time.perf_counter() - began)
    judge(store, issued, successors)
    store.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql", "postgresql+psycopg", "redis", "redis cluster"])
def test_asyncio(kind: str, url: str, redis_sessions: RedisSessions | None, figure: Note) -> None:
    store: Any = open_async_store(url, redis_sessions=redis_sessions)
    (issued,) = logged_in_users(store.store, 1)
    text = issued.refresh_token.reveal()

    async def one_session() -> str:
        while True:
            # A thousand at once may have to wait beyond the store's deadline: an honest client asks again then.
            with suppress(StoreUnavailable):
                answer = await drive_async(refresh(text, "tokens", T0, REALM), make_test_ports(store))
                return str(answer.refresh_token.reveal())

    async def all_of_them() -> None:
        began = time.perf_counter()
        successors = await asyncio.gather(*(one_session() for _ in range(USES)))
        figure(f"{kind}, asyncio", USES, time.perf_counter() - began)
        await asyncio.to_thread(judge, store.store, issued, successors)
        await store.close()

    asyncio.run(all_of_them())


LONG = pytest.mark.long(stands_in="tests/interleavings/test_thousand_uses.py::test_processes[postgresql]")


@pytest.mark.parametrize(
    "kind", ["sqlite", "postgresql", *(pytest.param(each, marks=LONG) for each in ("redis", "redis cluster"))]
)
def test_processes(kind: str, url: str, redis_sessions: RedisSessions | None, figure: Note) -> None:
    store = open_store(url, redis_sessions=redis_sessions)
    (issued,) = logged_in_users(store, 1)
    text = issued.refresh_token.reveal()
    context = multiprocessing.get_context("spawn")
    pipes, children = [], []
    for _ in range(PROCESSES):
        ours, theirs = context.Pipe()
        child = context.Process(
            target=use_from_another_process, args=(url, redis_sessions, text, USES // PROCESSES, theirs)
        )
        child.start()
        pipes.append(ours)
        children.append(child)
    assert [each.recv() for each in pipes] == ["ready"] * PROCESSES
    began = time.perf_counter()
    for each in pipes:
        each.send("go")
    successors = [text for each in pipes for text in each.recv()]
    figure(f"{kind}, {PROCESSES} processes", USES, time.perf_counter() - began)
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    judge(store, issued, successors)
    store.close()
