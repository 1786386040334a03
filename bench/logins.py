"""Logins per second beside bare argon2id, and the latency of other requests meanwhile."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from statistics import quantiles

from argon2.low_level import Type, hash_secret_raw

from bench.figures import Figure, Goal
from bench.fixtures import open_sessions, session_cookie, settings, sqlite_url
from bench.requests import _receive, _scope, _send, bare
from bench.sampling import Plan, Series, gc_frozen, ratio
from keyturn import AsyncIssuer
from keyturn.integrations.asgi import AuthMiddleware

CHAPTER = "Login beside other traffic"
PASSWORD = "violet umbrella 7 o clock"
INTERVAL_SECONDS = 0.002
"""Interval between two other requests; a request is due even if the previous one has not been answered."""

BARE, KEYTURN = "argon2id, bare, one thread", "Keyturn"
ON_LOOP, DEFAULT_POOL = "argon2id on the event loop", "argon2id, default thread pool"
ONE_THREAD = "argon2id, a pool of one thread, nothing else"
MOST_ROUNDS = 7
AT_ONCE = 8
SHARED = "Keyturn's hashing runs at a lower priority than everything else on the machine, the bare loop does not"
GIL = "other processes share the two cores with the event loop; hashing runs at a lower priority (nice, Linux)"
_SALT = b"0123456789abcdef"


def steps(plan: Plan) -> int:
    """Return the number of ticks of one run, which has fewer rounds because they are long."""
    return min(plan.rounds, MOST_ROUNDS)


def measure(plan: Plan) -> list[Figure]:
    """Measure without pinning: hashing runs on one core while an event loop runs on another."""
    with sqlite_url() as url, gc_frozen():
        return asyncio.run(_measure(url, plan))


class BackgroundRequests:
    """Session checks of other users, one every two milliseconds. Latency counts from the due time of each."""

    def __init__(self, issuer: AsyncIssuer) -> None:
        self._guard = AuthMiddleware(bare, issuer=issuer)
        self._cookie = bytearray(session_cookie(open_sessions(issuer.parts, 1)[0], issuer.parts))
        self.milliseconds: list[float] = []

    async def run(self) -> None:
        due = time.perf_counter()
        while True:
            due += INTERVAL_SECONDS
            delay = due - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            await self._guard(_scope(b"cookie", self._cookie), _receive, _send)
            self.milliseconds.append((time.perf_counter() - due) * 1e3)

    async def p99_during(self, work: Awaitable[object]) -> float:
        """Return the 99th percentile of the latency in milliseconds while ``work`` runs."""
        self.milliseconds = []
        task = asyncio.create_task(self.run())
        await work
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return quantiles([0.0, *self.milliseconds], n=100, method="inclusive")[98]


async def _measure(url: str, plan: Plan) -> list[Figure]:
    async with AsyncIssuer.open(settings(url)) as issuer:
        await issuer.signup("ada@example.com", PASSWORD)
        background = BackgroundRequests(issuer)
        rates = {name: Series(name) for name in (KEYTURN, BARE)}
        waits = {name: Series(name) for name in (KEYTURN, "idle", ONE_THREAD, DEFAULT_POOL, ON_LOOP)}
        for _ in range(steps(plan)):
            await _round(issuer, background, plan.logins, rates, waits)
            plan.tick()
    return _figures(rates, waits)


async def _round(
    issuer: AsyncIssuer, background: BackgroundRequests, count: int, rates: dict[str, Series], waits: dict[str, Series]
) -> None:
    rates[BARE].samples.append(await _rate(lambda: asyncio.to_thread(_hashes, count), count))
    rates[KEYTURN].samples.append(await _rate(lambda: _at_once(lambda: _login(issuer), count), count))
    waits["idle"].samples.append(await background.p99_during(asyncio.sleep(count / 50)))
    waits[KEYTURN].samples.append(await background.p99_during(_at_once(lambda: _login(issuer), count)))
    with ThreadPoolExecutor(1) as pool:
        one = partial(asyncio.get_running_loop().run_in_executor, pool, _hash)
        waits[ONE_THREAD].samples.append(await background.p99_during(_at_once(one, count)))
    waits[ON_LOOP].samples.append(await background.p99_during(_at_once(_hash_on_loop, count)))
    waits[DEFAULT_POOL].samples.append(await background.p99_during(_at_once(lambda: asyncio.to_thread(_hash), count)))


async def _rate(work: Callable[[], Awaitable[object]], count: int) -> float:
    started_at = time.perf_counter()
    await work()
    return count / (time.perf_counter() - started_at)


async def _at_once(act: Callable[[], Awaitable[object]], count: int) -> None:
    """Run ``act`` ``count`` times, at most ``AT_ONCE`` concurrently."""

    async def share() -> None:
        for _ in range(max(1, count // AT_ONCE)):
            await act()

    await asyncio.gather(*(share() for _ in range(min(AT_ONCE, count))))


async def _login(issuer: AsyncIssuer) -> None:
    await issuer.login("ada@example.com", PASSWORD, deliver="cookie")


async def _hash_on_loop() -> None:
    _hash()
    await asyncio.sleep(0)


def _hashes(count: int) -> None:
    for _ in range(count):
        _hash()


def _hash() -> None:
    # OWASP Password Storage Cheat Sheet: 19 MiB, time cost 2, parallelism 1; as in Keyturn.
    hash_secret_raw(PASSWORD.encode(), _SALT, 2, 19 * 1024, 1, 32, Type.ID)


def _figures(rates: dict[str, Series], waits: dict[str, Series]) -> list[Figure]:
    rate = Figure(CHAPTER, "logins per second", "/s", list(rates.values()))
    wait = Figure(CHAPTER, "p99 of others' requests meanwhile", "ms", list(waits.values()))
    share = ratio(rates[KEYTURN], rates[BARE])
    rate.goals = [Goal("95% of one thread's bare rate", share, 0.95, at_most=False, why=SHARED)]
    wait.goals = [Goal("1.5x idle", wait.ratio_to("idle"), 1.5, why=GIL)]
    rate.note = f"{AT_ONCE} at once, SQLite; {os.cpu_count()} cores"
    wait.note = "one session check every 2 ms, measured from its due time"
    return [rate, wait]
