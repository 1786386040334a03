"""Rotations on PostgreSQL beside the bare statement through the same client; session checks; revocations."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import psycopg
import uvloop

from bench.figures import Figure, Goal
from bench.fixtures import open_sessions, settings, token_of
from bench.requests import Client, _Cookies, bare
from bench.revocations import measure_delay
from bench.rotations import FLOW, STORE, _flow, _NoSigner, _store
from bench.sampling import Plan, Series, Side, alternate, gc_frozen, pin_to_core, ratio, repeat, subtract_bare
from keyturn import AsyncIssuer, Issuer
from keyturn.core.rotation import rotate
from keyturn.core.sealed import CredentialKind
from keyturn.core.session import Session
from keyturn.flows import drive_async, refresh
from keyturn.integrations.asgi import AuthMiddleware
from services.postgres import Postgres

CHAPTER = "Refresh rotations on PostgreSQL"
REQUESTS = "CPU that authentication adds to a request, session in PostgreSQL"
CALLERS = 16
SCRIPT, WITH_SELECT = "the bare UPDATE, one statement", "a bare SELECT, then the UPDATE"
WHY = "the flow needs two round trips (SELECT, UPDATE) against one, and verifies and issues a token"

WHY_CPU = "the rest is this process's CPU time for records, HMACs and the driver"

_UPDATE = """UPDATE sessions SET rotations = {0}, version = {0}, rotated_at = {1}, last_seen_at = {1}
    WHERE sid = {2} AND version = {3}"""
_SELECT = "SELECT * FROM sessions WHERE sid = {0}"
_BY_NAME = _UPDATE.format("%(n)s", "%(at)s", "%(sid)s", "%(before)s").encode()
_BY_NUMBER = _UPDATE.format("$1::bigint", "$2::bigint", "$3", "$4")

Operation = Callable[[], Awaitable[None]]


def steps(plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return 4 * plan.rounds + 1


def measure(plan: Plan) -> list[Figure]:
    """Measure one caller over psycopg, one and several over asyncpg; then requests, then revocations."""
    with server() as postgres:
        figures = [
            _measure_sync(postgres.database(), plan),
            _measure_async(postgres.database(), plan, 1),
            _measure_async(postgres.database(), plan, CALLERS),
            _requests(postgres.database(), plan),
            measure_delay(postgres.database(), "PostgreSQL", plan),
        ]
        plan.tick()
        return figures


@contextmanager
def server() -> Iterator[Postgres]:
    """Run a PostgreSQL server with default settings: every commit waits for the disk."""
    postgres = Postgres()
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.remove()


def _rates(work: str, costs: list[Series]) -> Figure:
    rates = [Series(each.name, [1e6 / sample for sample in each.samples]) for each in costs]
    figure = Figure(CHAPTER, work, "/s", rates, note="synchronous_commit=on")
    _, flow, script, with_select = rates
    figure.goals = [
        Goal(f"70% of {SCRIPT}: whole flow", ratio(flow, script), 0.70, at_most=False, why=WHY),
        Goal(f"70% of {WITH_SELECT}: whole flow", ratio(flow, with_select), 0.70, at_most=False, why=WHY_CPU),
    ]
    return figure


def _ports_without_signing(issuer: Issuer | AsyncIssuer) -> Any:
    return replace(issuer.parts.ports, signer=_NoSigner())  # type: ignore[arg-type]  # it only signs


# --- over psycopg ---


def _measure_sync(url: str, plan: Plan) -> Figure:
    with Issuer.open(settings(url), background=False) as issuer, psycopg.connect(url, autocommit=True) as connection:
        connection.prepare_threshold = 0
        one, two, three, four = open_sessions(issuer.parts, 4)
        sides = [
            repeat(STORE, _store(issuer, one)),
            repeat(FLOW, _flow(issuer, two, _ports_without_signing(issuer))),
            repeat(SCRIPT, _script(connection, three, reload=False)),
            repeat(WITH_SELECT, _script(connection, four, reload=True)),
        ]
        with gc_frozen():
            return _rates("psycopg, one caller", alternate(sides, plan, time.perf_counter))


def _script(connection: psycopg.Connection[Any], session: Session, *, reload: bool) -> Callable[[], None]:
    cursor, select, number = connection.cursor(), _SELECT.format("%s").encode(), 0
    values = {"sid": session.sid, "at": session.created_at}

    def rotation() -> None:
        nonlocal number
        if reload:
            assert cursor.execute(select, (session.sid,)).fetchone()
        number += 1
        assert cursor.execute(_BY_NAME, {**values, "n": number, "before": number - 1}).rowcount == 1

    return rotation


# --- over asyncpg ---


def _measure_async(url: str, plan: Plan, callers: int) -> Figure:
    # The event loop of uvicorn, for both sides.
    loop = uvloop.new_event_loop()
    issuer = AsyncIssuer.open(settings(url), background=False)
    connections = [loop.run_until_complete(asyncpg.connect(url)) for _ in range(callers)]
    try:
        with gc_frozen():
            sides = _async_sides(loop, issuer, connections)
            for each in sides:
                each.work(1)  # connections are opened when first needed
            costs = alternate(sides, plan, time.perf_counter)
    finally:
        for each in connections:
            loop.run_until_complete(each.close())
        loop.run_until_complete(issuer.close())
        loop.close()
    each = [Series(cost.name, [sample / callers for sample in cost.samples]) for cost in costs]
    return _rates(f"asyncpg, {'one caller' if callers == 1 else f'{callers} callers at once'}", each)


def _async_sides(loop: asyncio.AbstractEventLoop, issuer: AsyncIssuer, connections: Sequence[Any]) -> list[Side]:
    stores: list[Operation] = []
    flows: list[Operation] = []
    scripts: list[Operation] = []
    selects: list[Operation] = []
    ports = _ports_without_signing(issuer)
    for connection in connections:
        one, two, three, four = open_sessions(issuer.parts, 4)
        stores.append(_async_store(issuer, one))
        flows.append(_async_flow(issuer, two, ports))
        scripts.append(loop.run_until_complete(_async_script(connection, three, reload=False)))
        selects.append(loop.run_until_complete(_async_script(connection, four, reload=True)))
    by_name = {STORE: stores, FLOW: flows, SCRIPT: scripts, WITH_SELECT: selects}
    return [_concurrent_side(loop, name, operations) for name, operations in by_name.items()]


def _concurrent_side(loop: asyncio.AbstractEventLoop, name: str, operations: Sequence[Operation]) -> Side:
    """Return a side that runs all of ``operations`` concurrently, and repeats each ``count`` times."""

    async def repeat_operation(operation: Operation, count: int) -> None:
        for _ in range(count):
            await operation()

    async def run_all(count: int) -> None:
        await asyncio.gather(*(repeat_operation(operation, count) for operation in operations))

    return Side(name, lambda count: loop.run_until_complete(run_all(count)), lambda count: count)


def _async_store(issuer: AsyncIssuer, session: Session) -> Operation:
    port: Any = issuer.parts.ports.sessions
    policy, sid, now = issuer.parts.config.profile.session, session.sid, issuer.parts.now()

    async def rotation() -> None:
        loaded = await port.load(sid)
        outcome = rotate(loaded, loaded.session.rotations, now, policy)
        assert await port.replace(outcome.session) == 0

    return rotation


def _async_flow(issuer: AsyncIssuer, session: Session, ports: Any) -> Operation:
    parts, now = issuer.parts, issuer.parts.now()
    token = token_of(session, CredentialKind.REFRESH, 0, parts)

    async def rotation() -> None:
        nonlocal token
        successor = (await drive_async(refresh(token, "tokens", now, parts.config), ports)).refresh_token
        assert successor is not None
        token = successor.reveal()

    return rotation


async def _async_script(connection: Any, session: Session, *, reload: bool) -> Operation:
    update, select = await connection.prepare(_BY_NUMBER), await connection.prepare(_SELECT.format("$1"))
    sid, at, number = session.sid, session.created_at, 0

    async def rotation() -> None:
        nonlocal number
        if reload:
            assert await select.fetchrow(sid)
        number += 1
        await update.fetch(number, at, sid, number - 1)
        assert update.get_statusmsg() == "UPDATE 1"

    return rotation


# --- requests ---


def _requests(url: str, plan: Plan) -> Figure:
    loop = uvloop.new_event_loop()
    issuer = AsyncIssuer.open(settings(url))
    while not issuer.parts.session_cache.is_fresh:
        time.sleep(0.01)
    try:
        client, cookies = Client(loop, b"cookie"), _Cookies(issuer, 500)
        cookies.guard = AuthMiddleware(bare, issuer=issuer)
        client((cookies.guard, cookies.headers))
        sides = [
            Side("Keyturn, session cache", client, lambda count: (cookies.guard, cookies.headers[:1] * count)),
            Side("Keyturn, one query to PostgreSQL", client, cookies.cold, 500),
            Side("bare", client, lambda count: (bare, cookies.headers[:1] * count)),
        ]
        with pin_to_core():
            cached, queried, unauthenticated = alternate(sides, plan)
    finally:
        loop.run_until_complete(issuer.close())
        loop.close()
    series = [subtract_bare(cached, unauthenticated), subtract_bare(queried, unauthenticated)]
    return Figure(REQUESTS, "session cookie", "µs", series, note="CPU of this process only, without waiting")
