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
from bench.revocations import between
from bench.rotations import FLOW, STORE, _flow, _NoSigner, _store
from bench.sampling import Plan, Series, Side, over, pinned, ratio, repeated, settled, take_turns
from keyturn import AsyncIssuer, Issuer
from keyturn.core.lifecycle import rotate
from keyturn.core.sealed import CredentialKind
from keyturn.core.session import Session
from keyturn.flows import drive_async, refresh
from keyturn.integrations.asgi import AuthMiddleware
from services.postgres import Postgres

CHAPTER = "Refresh rotations on PostgreSQL"
REQUESTS = "CPU that authentication adds to a request, session in PostgreSQL"
CALLERS = 16
SCRIPT, RELOADED = "the bare UPDATE, one statement", "a bare SELECT, then the UPDATE"
WHY = "the flow needs two round trips (SELECT, UPDATE) against one, and verifies and issues a token"

WHY_CPU = "the rest is this process's CPU time for records, HMACs and the driver"

_UPDATE = """UPDATE sessions SET rotations = {0}, version = {0}, rotated_at = {1}, last_seen_at = {1}
    WHERE sid = {2} AND version = {3}"""
_SELECT = "SELECT * FROM sessions WHERE sid = {0}"
_BY_NAME = _UPDATE.format("%(n)s", "%(at)s", "%(sid)s", "%(before)s").encode()
_BY_NUMBER = _UPDATE.format("$1::bigint", "$2::bigint", "$3", "$4")

Act = Callable[[], Awaitable[None]]


def steps(plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return 4 * plan.rounds + 1


def measure(plan: Plan) -> list[Figure]:
    """Measure one caller over psycopg, one and several over asyncpg; then requests, then revocations."""
    with server() as postgres:
        figures = [
            _waiting(postgres.database(), plan),
            _awaited(postgres.database(), plan, 1),
            _awaited(postgres.database(), plan, CALLERS),
            _requests(postgres.database(), plan),
            between(postgres.database(), "PostgreSQL", plan),
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
    _, flow, script, reloaded = rates
    figure.goals = [
        Goal(f"70% of {SCRIPT}: whole flow", ratio(flow, script), 0.70, at_most=False, why=WHY),
        Goal(f"70% of {RELOADED}: whole flow", ratio(flow, reloaded), 0.70, at_most=False, why=WHY_CPU),
    ]
    return figure


def _unsigned(issuer: Issuer | AsyncIssuer) -> Any:
    return replace(issuer.parts.ports, signer=_NoSigner())  # type: ignore[arg-type]  # it only signs


# --- over psycopg ---


def _waiting(url: str, plan: Plan) -> Figure:
    with Issuer.open(settings(url), background=False) as issuer, psycopg.connect(url, autocommit=True) as connection:
        connection.prepare_threshold = 0
        one, two, three, four = open_sessions(issuer.parts, 4)
        sides = [
            repeated(STORE, _store(issuer, one)),
            repeated(FLOW, _flow(issuer, two, _unsigned(issuer))),
            repeated(SCRIPT, _script(connection, three, reload=False)),
            repeated(RELOADED, _script(connection, four, reload=True)),
        ]
        with settled():
            return _rates("psycopg, one caller", take_turns(sides, plan, time.perf_counter))


def _script(connection: psycopg.Connection[Any], session: Session, *, reload: bool) -> Callable[[], None]:
    cursor, question, number = connection.cursor(), _SELECT.format("%s").encode(), 0
    values = {"sid": session.sid, "at": session.created_at}

    def rotation() -> None:
        nonlocal number
        if reload:
            assert cursor.execute(question, (session.sid,)).fetchone()
        number += 1
        assert cursor.execute(_BY_NAME, {**values, "n": number, "before": number - 1}).rowcount == 1

    return rotation


# --- over asyncpg ---


def _awaited(url: str, plan: Plan, callers: int) -> Figure:
    # The event loop of uvicorn, for both sides.
    loop = uvloop.new_event_loop()
    issuer = AsyncIssuer.open(settings(url), background=False)
    connections = [loop.run_until_complete(asyncpg.connect(url)) for _ in range(callers)]
    try:
        with settled():
            sides = _awaited_sides(loop, issuer, connections)
            for each in sides:
                each.work(1)  # connections are opened when first needed
            costs = take_turns(sides, plan, time.perf_counter)
    finally:
        for each in connections:
            loop.run_until_complete(each.close())
        loop.run_until_complete(issuer.close())
        loop.close()
    each = [Series(cost.name, [sample / callers for sample in cost.samples]) for cost in costs]
    return _rates(f"asyncpg, {'one caller' if callers == 1 else f'{callers} callers at once'}", each)


def _awaited_sides(loop: asyncio.AbstractEventLoop, issuer: AsyncIssuer, connections: Sequence[Any]) -> list[Side]:
    ours: list[Act] = []
    flows: list[Act] = []
    scripts: list[Act] = []
    reloads: list[Act] = []
    ports = _unsigned(issuer)
    for connection in connections:
        one, two, three, four = open_sessions(issuer.parts, 4)
        ours.append(_awaited_store(issuer, one))
        flows.append(_awaited_flow(issuer, two, ports))
        scripts.append(loop.run_until_complete(_awaited_script(connection, three, reload=False)))
        reloads.append(loop.run_until_complete(_awaited_script(connection, four, reload=True)))
    named = {STORE: ours, FLOW: flows, SCRIPT: scripts, RELOADED: reloads}
    return [_together(loop, name, acts) for name, acts in named.items()]


def _together(loop: asyncio.AbstractEventLoop, name: str, acts: Sequence[Act]) -> Side:
    """Return a side that runs all of ``acts`` concurrently, and repeats each ``count`` times."""

    async def several(act: Act, times: int) -> None:
        for _ in range(times):
            await act()

    async def run_all(count: int) -> None:
        await asyncio.gather(*(several(act, count) for act in acts))

    return Side(name, lambda count: loop.run_until_complete(run_all(count)), lambda count: count)


def _awaited_store(issuer: AsyncIssuer, session: Session) -> Act:
    port: Any = issuer.parts.ports.sessions
    policy, sid, now = issuer.parts.config.profile.session, session.sid, issuer.parts.now()

    async def rotation() -> None:
        found = await port.load(sid)
        outcome = rotate(found, found.session.rotations, now, policy)
        assert await port.replace(outcome.session) == 0

    return rotation


def _awaited_flow(issuer: AsyncIssuer, session: Session, ports: Any) -> Act:
    parts, now = issuer.parts, issuer.parts.now()
    token = token_of(session, CredentialKind.REFRESH, 0, parts)

    async def rotation() -> None:
        nonlocal token
        successor = (await drive_async(refresh(token, "tokens", now, parts.config), ports)).refresh_token
        assert successor is not None
        token = successor.reveal()

    return rotation


async def _awaited_script(connection: Any, session: Session, *, reload: bool) -> Act:
    change, question = await connection.prepare(_BY_NUMBER), await connection.prepare(_SELECT.format("$1"))
    sid, at, number = session.sid, session.created_at, 0

    async def rotation() -> None:
        nonlocal number
        if reload:
            assert await question.fetchrow(sid)
        number += 1
        await change.fetch(number, at, sid, number - 1)
        assert change.get_statusmsg() == "UPDATE 1"

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
        with pinned():
            cached, asked, nothing = take_turns(sides, plan)
    finally:
        loop.run_until_complete(issuer.close())
        loop.close()
    series = [over(cached, nothing), over(asked, nothing)]
    return Figure(REQUESTS, "session cookie", "µs", series, note="CPU of this process only, without waiting")
