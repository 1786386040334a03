"""Sessions in Redis beside the peers: bytes each, CPU and commands of a request, rotations and revocations."""

import asyncio
import gc
import subprocess
import time
import tracemalloc
import urllib.request
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import redis
import uvloop
from fastapi import Depends, FastAPI
from fastapi_users.authentication.strategy.redis import RedisStrategy
from redis import asyncio as redis_asyncio
from starsessions import SessionAutoloadMiddleware, SessionMiddleware
from starsessions.stores.redis import RedisStore as StarStore

from bench.figures import Figure, Goal
from bench.fixtures import open_sessions, session_cookie, settings, sqlite_url
from bench.memory import DAY, PEERS, install_peers, measure_bytes
from bench.postgresql import _ports_without_signing
from bench.requests import Client, bare
from bench.revocations import measure_delay
from bench.rotations import FLOW, STORE, _flow, _store
from bench.sampling import QUICK, Plan, Series, Side, alternate, gc_frozen, pin_to_core, ratio, repeat, subtract_bare
from bench.synthetic_data import logout_revocations
from keyturn import AsyncIssuer, Issuer
from keyturn.core.revocation import RevocationSet
from keyturn.core.types import Instant
from keyturn.integrations.asgi import AuthMiddleware
from keyturn_lab.compare.load import load
from services.redis import RedisServer

CHAPTER = "Sessions in Redis"
SCRIPT = "the bare script"
WHY = "the flow needs two round trips (SELECT, UPDATE) against one, and verifies and issues a token"
_SWAP = """
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'n', ARGV[3])
return 1
"""


def steps(plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return 2 * plan.rounds + 3


def measure(plan: Plan) -> list[Figure]:
    """Measure everything on one server."""
    server = RedisServer()
    server.start()
    try:
        with sqlite_url() as url:
            figures = [
                measure_bytes(server, plan, CHAPTER),
                _requests(server, url, plan),
                _rotations(server, url, plan),
            ]
            figures.append(measure_delay(url, "Redis", plan, sessions=server.url))
            figures.append(_denylist(plan))
        return figures
    finally:
        server.remove()


# --- requests ---


def _requests(server: RedisServer, url: str, plan: Plan) -> Figure:
    loop = uvloop.new_event_loop()
    # Without the log follower, every check calls Redis.
    issuer = AsyncIssuer.open(settings(url, session_store=server.url), background=False)
    clients = [redis_asyncio.from_url(server.url), redis_asyncio.from_url(server.url, decode_responses=True)]
    try:
        sides, headers = _request_sides(loop, issuer, *clients)
        with pin_to_core():
            series = alternate([*sides, Side("bare", Client(loop, b"cookie"), lambda n: (bare, headers[:1] * n))], plan)
        commands = {side.name: _commands(server, side) for side in sides}
    finally:
        for each in clients:
            loop.run_until_complete(each.aclose())
        loop.run_until_complete(issuer.close())
        loop.close()
    *measured, unauthenticated = series
    peer = _express_requests(server.url, plan)
    figure = Figure(
        CHAPTER,
        "CPU that a session check adds to a request",
        "µs",
        [*(subtract_bare(each, unauthenticated) for each in measured), peer],
    )
    figure.note = "commands each: " + ", ".join(f"{name} {count:g}" for name, count in commands.items())
    figure.goals = [Goal("exactly one command", commands["Keyturn"], 1.0)]
    return figure


def _request_sides(
    loop: asyncio.AbstractEventLoop, issuer: AsyncIssuer, plain: Any, decoding: Any
) -> tuple[list[Side], list[bytearray]]:
    (session,) = open_sessions(issuer.parts, 1)
    cookies = [bytearray(session_cookie(session, issuer.parts))]
    guard = AuthMiddleware(bare, issuer=issuer)
    star = StarStore(connection=plain)
    body = {"user_id": "ada", "__metadata__": {"lifetime": 0, "created": time.time(), "last_access": time.time()}}
    loop.run_until_complete(star.write("0" * 32, msgspec.json.encode(body), 0, DAY))
    stars = SessionMiddleware(SessionAutoloadMiddleware(bare), store=star, rolling=False, cookie_https_only=False)
    strategy, token = loop.run_until_complete(_strategy(decoding))
    bearer = [bytearray(b"Bearer " + token.encode())]
    sides = [
        Side("Keyturn", Client(loop, b"cookie"), lambda n: (guard, cookies * n)),
        Side("starsessions", Client(loop, b"cookie"), lambda n: (stars, [bytearray(b"session=" + b"0" * 32)] * n)),
        Side("fastapi-users, Redis strategy", Client(loop, b"authorization"), lambda n: (strategy, bearer * n)),
    ]
    for each in sides:
        each.work(each.prepare(1))  # connections are opened when first needed
    return sides, cookies


def _express_requests(url: str, plan: Plan) -> Series:
    """Measure the CPU time that express-session adds to a request. Its server reports its own CPU time."""
    install_peers()
    child = subprocess.Popen(["node", "serve.mjs", url], cwd=PEERS, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/in") as response:
            cookie = "Cookie: " + str(response.headers["set-cookie"]).partition(";")[0]
        samples = []
        for _ in range(plan.rounds):
            with_session, without_session = (_microseconds(port, cookie, path) for path in ("/", "/bare"))
            samples.append(with_session - without_session)
    finally:
        child.kill()
        child.communicate()
    return Series("express-session", samples)


def _microseconds(port: int, cookie: str, path: str) -> float:
    before = _cpu(port)
    loaded = load([port], [cookie], 0.5, 8, path)
    assert set(loaded.statuses) == {200}
    return (_cpu(port) - before) / len(loaded.latencies)


def _cpu(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cpu") as response:
        return float(response.read())


async def _strategy(client: Any) -> tuple[Any, str]:
    class Person:
        id = "ada"

    class People:
        def parse_id(self, text: str) -> str:
            return text

        async def get(self, _: str) -> Person:
            return Person()

    strategy: Any = RedisStrategy(client, lifetime_seconds=DAY)
    token = await strategy.write_token(Person())
    app = FastAPI()

    async def person(request_token: str = token) -> Any:
        return await strategy.read_token(request_token, People())

    @app.get("/")
    async def hello(_: Annotated[Any, Depends(person)]) -> str:
        return "hello"

    return app, token


def _commands(server: RedisServer, side: Side) -> float:
    """Return the number of Redis commands sent per request, without those within scripts."""
    with server.client() as client, client.monitor() as monitor:
        side.work(side.prepare(100))
        client.echo("over")
        count = 0
        for each in monitor.listen():
            if each["command"] == "ECHO over":
                return count / 100
            count += each["client_type"] != "lua"
    return 0.0


# --- rotations ---


def _rotations(server: RedisServer, url: str, plan: Plan) -> Figure:
    with Issuer.open(settings(url, session_store=server.url), background=False) as issuer, server.client() as client:
        one, two = open_sessions(issuer.parts, 2)
        sides = [
            repeat(STORE, _store(issuer, one)),
            repeat(FLOW, _flow(issuer, two, _ports_without_signing(issuer))),
            repeat(SCRIPT, _script(client)),
        ]
        with gc_frozen():
            costs = alternate(sides, plan, time.perf_counter)
    rates = [Series(each.name, [1e6 / sample for sample in each.samples]) for each in costs]
    store, flow, script = rates
    figure = Figure(CHAPTER, "rotations per second, one caller", "/s", [flow, store, script])
    figure.goals = [Goal(f"70% of {SCRIPT}: whole flow", ratio(flow, script), 0.70, at_most=False, why=WHY)]
    return figure


def _script(client: "redis.Redis") -> Callable[[], None]:
    swap, number = client.register_script(_SWAP), 0
    client.hset("bare", mapping={"v": 0, "n": "x" * 100})

    def rotation() -> None:
        nonlocal number
        number += 1
        assert swap(["bare"], [number - 1, number, "x" * 100]) == 1

    return rotation


# --- the denylist ---


def _denylist(plan: Plan) -> Figure:
    now, count = Instant(int(time.time())), 1_000_000 if plan.rounds > QUICK.rounds else 10_000
    gc.collect()
    tracemalloc.start()
    revocations = RevocationSet()
    for entry in logout_revocations(count, now, Instant(now + 3600)):
        revocations.apply(entry)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    empty, sids = RevocationSet(), [each.key for each in logout_revocations(1000, now, now)]
    with gc_frozen(), pin_to_core():
        filled, empty_series = alternate(
            [_check_side("Keyturn", revocations, sids), _check_side("empty", empty, sids)], plan
        )
    work = f"a check against {count:,} entries in a verifier's denylist"
    figure = Figure(CHAPTER, work, "ns", [filled, empty_series])
    figure.note = f"{used / count:.0f} B per entry"
    figure.goals = [
        Goal("at most 250 ns", figure.series[0].middle, 250.0),
        Goal("at most 110 B per entry", used / count, 110.0),
    ]
    plan.tick()
    return figure


def _check_side(name: str, revocations: RevocationSet, sids: list[str]) -> Side:
    def work(count: int) -> None:
        revokes = revocations.revokes
        for _ in range(count):
            for sid in sids:
                revokes(sid, "ada", 3, "web", 5)

    return Side(name, work, lambda count: count)
