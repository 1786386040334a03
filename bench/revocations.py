"""Time from a revocation in one process to the refusal in another."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from statistics import quantiles

from bench.figures import Figure, Goal
from bench.fixtures import open_sessions, session_cookie, settings, sqlite_url
from bench.requests import _receive, _scope
from bench.sampling import Plan, Series
from keyturn import AsyncIssuer, Issuer
from keyturn.core.session import Session
from keyturn.flows import revoke_session
from keyturn.integrations.asgi import AuthMiddleware

CHAPTER = "Revocation to refusal in another process"
PROBE_SECONDS = 0.0002
"""Interval at which the other process presents the cookie."""
WHY = "SQLite is polled every 5 ms; every 1 ms would meet it, for 3 % of a core per worker (docs/decisions/0005)"


def steps(_plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return 1


def measure(plan: Plan) -> list[Figure]:
    """Measure with SQLite."""
    with sqlite_url() as url:
        return [measure_delay(url, "SQLite", plan, WHY)]


def measure_delay(url: str, store: str, plan: Plan, why: str = "", *, sessions: str = "") -> Figure:
    """Measure milliseconds from the commit of a revocation to the first refusal. Both processes use one clock."""
    with Issuer.open(settings(url, session_store=sessions)) as issuer, _peer_process(url, sessions) as peer:
        opened_sessions = open_sessions(issuer.parts, plan.revocations)
        delays = []
        for session in opened_sessions:
            peer.send(session_cookie(session, issuer.parts))
            assert peer.recv() == 200
            time.sleep(0.003 + 0.01 * (len(delays) % 17) / 17)  # out of phase with the polls of the other process
            revoked_at = revoke_stored(issuer, session)
            delays.append((peer.recv() - revoked_at) * 1e3)
    plan.tick()
    figure = Figure(CHAPTER, f"session cookie, two processes on {store}", "ms", [Series("Keyturn", delays)])
    hundredths = quantiles(delays, n=100)
    figure.goals = [
        Goal("p50 at most 1 ms", hundredths[49], 1.0, why=why),
        Goal("p99 at most 10 ms", hundredths[98], 10.0),
    ]
    figure.note = f"p99 {hundredths[98]:.2f} ms; from the commit to the first 401"
    return figure


def revoke_stored(issuer: Issuer, session: Session) -> float:
    """Revoke ``session``. Return the time at which the store had committed it, before the audit event."""
    ports, committed_at = issuer.parts.ports, 0.0
    flow = revoke_session(session.sid, "logout", issuer.parts.now(), issuer.parts.config)
    try:
        step = next(flow)
        while True:
            answer = getattr(getattr(ports, step.port), step.method)(*step.arguments)
            if (step.port, step.method) == ("sessions", "replace"):
                committed_at = time.monotonic()
            step = flow.send(answer)
    except StopIteration:
        return committed_at


@contextmanager
def _peer_process(url: str, sessions: str) -> Iterator[Connection]:
    parent, child = multiprocessing.Pipe()
    # Spawned, not forked: it must share only the database with this process.
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(url, sessions, child), daemon=True)
    process.start()
    assert parent.recv() == "ready"
    try:
        yield parent
    finally:
        parent.send(None)
        process.join(10)


def _serve(url: str, sessions: str, pipe: Connection) -> None:
    asyncio.run(_serve_all(url, sessions, pipe))


async def _serve_all(url: str, sessions: str, pipe: Connection) -> None:
    async with AsyncIssuer.open(settings(url, session_store=sessions)) as issuer:
        await asyncio.to_thread(_wait_until_fresh, issuer)
        prober = _Prober(issuer)
        pipe.send("ready")
        while (cookie := await asyncio.to_thread(pipe.recv)) is not None:
            pipe.send(await prober.status(cookie))
            pipe.send(await prober.refused_at(cookie))


def _wait_until_fresh(issuer: AsyncIssuer) -> None:
    while not issuer.parts.session_cache.is_fresh:
        time.sleep(0.01)


class _Prober:
    def __init__(self, issuer: AsyncIssuer) -> None:
        self._guard = AuthMiddleware(self._app, issuer=issuer)
        self._status = 0

    async def status(self, cookie: bytes) -> int:
        await self._guard(_scope(b"cookie", bytearray(cookie)), _receive, self._send)
        return self._status

    async def refused_at(self, cookie: bytes) -> float:
        sent_at = time.monotonic()
        while await self.status(cookie) == 200:
            time.sleep(PROBE_SECONDS)  # noqa: ASYNC251 - epoll would round it up to a millisecond
            sent_at = time.monotonic()
        return sent_at

    async def _app(self, scope: object, receive: object, send: object) -> None:
        self._status = 200

    async def _send(self, message: dict[str, int]) -> None:
        self._status = message.get("status", self._status)
