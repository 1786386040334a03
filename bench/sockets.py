"""Ten thousand open WebSockets of one worker, while the sessions of others are revoked.

Measured: the processor time of the worker, the time from a revocation in another process to the close of its socket,
and the number of sockets that were closed without a revocation.
"""

import asyncio
import multiprocessing
import resource
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from statistics import quantiles
from threading import Thread

from bench.figures import Figure, Goal
from bench.fixtures import open_sessions, session_cookie, settings, sqlite_url
from bench.revocations import revoke_stored
from bench.sampling import QUICK, Plan, Series
from keyturn import AsyncIssuer, Issuer
from keyturn.connections import ConnectionEnd
from keyturn.core.session import Session
from keyturn.integrations.asgi import AuthMiddleware
from keyturn.web.channels import CLOSE_CODES

CHAPTER = "Ten thousand WebSockets"
SOCKETS = 10_000
SESSIONS_PER_SECOND = 100
LOAD_SECONDS = 20.0
OPENING = 32
"""Handshakes at once."""


def steps(_plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return 4


def measure(plan: Plan) -> list[Figure]:
    """Measure with SQLite, in two processes."""
    is_quick = plan.revocations == QUICK.revocations
    count, seconds = (40, 0.2) if is_quick else (SOCKETS, LOAD_SECONDS)
    _raise_file_limit()
    with sqlite_url() as url, Issuer.open(settings(url)) as issuer, _worker(url) as (port, pipe):
        return asyncio.run(_Run(issuer, port, pipe, plan).measure(count, seconds))


class _Run:
    def __init__(self, issuer: Issuer, port: int, pipe: Connection, plan: Plan) -> None:
        self._issuer, self._port, self._pipe, self._plan = issuer, port, pipe, plan

    async def measure(self, count: int, seconds: float) -> list[Figure]:
        others = open_sessions(self._issuer.parts, 2 * int(seconds * SESSIONS_PER_SECOND))
        own = open_sessions(self._issuer.parts, count)
        half = len(others) // 2
        without = await self._load(others[:half], seconds)
        self._plan.tick()
        clients = await self._open(own)
        idle = await self._load([], seconds)
        self._plan.tick()
        loaded = await self._load(others[half:], seconds)
        self._plan.tick()
        delays = await self._revoke(own[: self._plan.revocations], clients)
        self._plan.tick()
        wrong = sum(each.code is not None for each in clients[self._plan.revocations :])
        assert self._ask("open") == count - self._plan.revocations - wrong
        for each in clients:
            each.transport.abort()
        return [_processor(count, loaded, idle, without), _delay(count, delays, wrong)]

    async def _open(self, sessions: Sequence[Session]) -> list["_Client"]:
        gate = asyncio.Semaphore(OPENING)

        async def connect(session: Session) -> _Client:
            async with gate:
                client = _Client(session_cookie(session, self._issuer.parts))
                await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self._port)
                await asyncio.wait_for(client.is_open.wait(), 60)
                return client

        return list(await asyncio.gather(*map(connect, sessions)))

    async def _load(self, sessions: Sequence[Session], seconds: float) -> float:
        """Revoke sessions evenly for some seconds. Return the share of a processor that the worker used, in percent."""
        started_at, used = time.monotonic(), self._ask("processor")
        for number, session in enumerate(sessions):
            await asyncio.sleep(started_at + number / SESSIONS_PER_SECOND - time.monotonic())
            await asyncio.to_thread(revoke_stored, self._issuer, session)
        await asyncio.sleep(max(0.0, started_at + seconds - time.monotonic()))
        return 100 * (self._ask("processor") - used) / (time.monotonic() - started_at)

    async def _revoke(self, sessions: Sequence[Session], clients: Sequence["_Client"]) -> list[float]:
        """Return the milliseconds from each revocation to the close of its socket."""
        delays = []
        for number, (session, client) in enumerate(zip(sessions, clients, strict=False)):
            await asyncio.sleep(0.003 + 0.01 * (number % 17) / 17)
            revoked_at = await asyncio.to_thread(revoke_stored, self._issuer, session)
            await asyncio.wait_for(client.is_closed.wait(), 30)
            assert client.code == CLOSE_CODES[ConnectionEnd.SESSION_ENDED]
            delays.append((client.closed_at - revoked_at) * 1e3)
        return delays

    def _ask(self, question: str) -> float:
        self._pipe.send(question)
        return float(self._pipe.recv())


class _Client(asyncio.Protocol):
    """The client's side of one WebSocket: a handshake, and the time and code of the close frame (RFC 6455)."""

    transport: asyncio.Transport

    def __init__(self, cookie: bytes) -> None:
        self._cookie = cookie
        self._received = b""
        self.is_open, self.is_closed = asyncio.Event(), asyncio.Event()
        self.code: int | None = None
        self.closed_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: "
            + self._cookie
            + b"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.is_open.is_set():
            head, end, self._received = self._received.partition(b"\r\n\r\n")
            if not end:
                self._received = head
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self.is_open.set()
        if self._received[:1] == b"\x88":
            self.code, self.closed_at = int.from_bytes(self._received[2:4]), time.monotonic()
            self.is_closed.set()

    def connection_lost(self, _: Exception | None) -> None:
        if self.code is None:
            self.code = 0
        self.is_closed.set()


def _processor(count: int, loaded: float, idle: float, without: float) -> Figure:
    figure = Figure(
        CHAPTER,
        f"processor time of a worker with {count} sockets, {SESSIONS_PER_SECOND} revocations of others per second",
        "%",
        [Series("Keyturn", [loaded]), Series("the same, no revocations", [idle]), Series("no sockets", [without])],
    )
    figure.note = "of one core"
    return figure


def _delay(count: int, delays: list[float], wrong: int) -> Figure:
    figure = Figure(CHAPTER, f"revocation to close, {count} sockets", "ms", [Series("Keyturn", delays)])
    hundredths = quantiles(delays, n=100)
    figure.goals = [Goal("no socket closed without a revocation", wrong, 0)]
    figure.note = f"p50 {hundredths[49]:.1f} ms, p99 {hundredths[98]:.1f} ms; from the commit in another process"
    return figure


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _worker(url: str) -> Iterator[tuple[int, Connection]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    parent, child = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(url, port, child), daemon=True)
    process.start()
    assert parent.recv() == "ready"
    try:
        yield port, parent
    finally:
        parent.send(None)
        process.join(30)


def _serve(url: str, port: int, pipe: Connection) -> None:
    import uvicorn

    _raise_file_limit()
    issuer = AsyncIssuer.open(settings(url))
    questions: dict[str, Callable[[], float]] = {
        "processor": time.process_time,
        "open": lambda: len(issuer.parts.connections),
    }
    server = uvicorn.Server(
        uvicorn.Config(
            AuthMiddleware(_wait, issuer=issuer),
            port=port,
            ws="websockets-sansio",
            ws_ping_interval=None,
            lifespan="off",
            log_level="error",
            backlog=4096,
        )
    )

    def answer() -> None:
        while not server.started or not issuer.parts.session_cache.is_fresh:
            time.sleep(0.01)
        pipe.send("ready")
        while (question := pipe.recv()) is not None:
            pipe.send(questions[question]())
        server.force_exit = server.should_exit = True

    Thread(target=answer, daemon=True).start()
    server.run()


async def _wait(_scope: object, receive: Callable[[], object], send: Callable[[object], object]) -> None:
    await receive()  # type: ignore[misc]
    await send({"type": "websocket.accept"})  # type: ignore[misc]
    await receive()  # type: ignore[misc]
