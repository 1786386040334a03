"""Measurement of three ways to authenticate a request, with the same load, in alternating runs."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal

from keyturn.config.settings import read_settings
from keyturn.errors import StoreUnavailable
from keyturn.issuer import Issuer
from keyturn_lab.capacity.calibrate import new_session, session_cache_bytes
from keyturn_lab.compare.load import load
from keyturn_lab.compare.scratch import ScratchStore

Mode = Literal["session", "jwt", "hybrid"]
MODES: tuple[Mode, ...] = ("session", "jwt", "hybrid")
PASSWORD = "a bicycle made of rain"  # noqa: S105 - of an account in a scratch store
LONGEST_SECONDS = 4.0
"""Time to observe an instance after the store became unavailable; half of it after a revocation."""


@dataclass(slots=True)
class Figure:
    """One measured figure. ``samples``: one per run. ``note``: shown with the figure, or in its place."""

    name: str
    unit: str
    samples: list[float] = field(default_factory=list[float])
    note: str = ""

    @property
    def middle(self) -> float | None:
        """The median of the samples, or None."""
        return median(self.samples) if self.samples else None

    def record(self) -> dict[str, object]:
        """Return the figure as plain values, for JSON."""
        return {**asdict(self), "median": self.middle}


@dataclass(frozen=True, slots=True)
class Plan:
    """Extent of a measurement.

    ``seconds`` of load per run, ``runs`` of each mode, ``connections`` per instance, ``sessions`` inserted to measure
    the size of one.
    """

    seconds: float = 2.0
    runs: int = 3
    connections: int = 8
    sessions: int = 2000
    instances: int = 3


@dataclass(slots=True)
class Login:
    """Credentials of a client."""

    sid: Any
    cookie: str
    bearer: str

    def headers(self, mode: Mode) -> list[str]:
        """Return the header lines of ``mode``: a cookie, a token, or both to alternate between."""
        return {"session": [self.cookie], "jwt": [self.bearer], "hybrid": [self.cookie, self.bearer]}[mode]


Tick = Callable[[str], None]
Results = dict[Mode, dict[str, Figure]]


def measure(scratch: ScratchStore, plan: Plan, tick: Tick) -> Results:
    """Return the figures by mode and name. Calls ``tick`` with the name of each finished step."""
    settings = read_settings(scratch.environment)
    with Issuer.open(settings, background=False) as issuer:
        issuer.signup("ada@example.com", PASSWORD, deliver="both")
        session_bytes = _measure_session_bytes(issuer, scratch, plan.sessions)
        tick("store")
        results: Results = {mode: _figures() for mode in MODES}
        for _ in range(plan.runs):
            for mode in MODES:
                _run(results[mode], mode, scratch, plan, issuer)
                tick(mode)
        for mode in MODES:
            _add_memory(results[mode], mode, session_bytes)
    return results


def _figures() -> dict[str, Figure]:
    figures = (
        Figure("bytes on the wire, per request", "B"),
        Figure("CPU, per request", "µs"),
        Figure("latency, p50", "ms"),
        Figure("latency, p99", "ms"),
        Figure("questions to the store, per request", ""),
        *(Figure(f"requests per second, {count} instance{'s' * (count > 1)}", "1/s") for count in (1, 2, 3)),
        Figure("from revocation to last acceptance", "ms"),
        Figure("store away: answered at once", "%"),
        Figure(f"store away: answered after {LONGEST_SECONDS:g} s", "%"),
        Figure("memory of the store, a million logins", "MB"),
        Figure("memory of an instance, a million sessions", "MB"),
    )
    return {each.name: each for each in figures}


def _run(results: dict[str, Figure], mode: Mode, scratch: ScratchStore, plan: Plan, issuer: Issuer) -> None:
    names = list(results)
    with _instances(mode, scratch, plan.instances) as ports:
        login = _log_in(issuer)
        load(ports[:1], login.headers(mode), plan.seconds / 4, plan.connections)  # warm
        before = _control(ports[0], "/counts")
        single = load(ports[:1], login.headers(mode), plan.seconds, plan.connections)
        after = _control(ports[0], "/counts")
        count = max(1, len(single.latencies))
        results[names[0]].samples.append(single.sent + single.received)
        results[names[1]].samples.append(1e6 * (after["cpu"] - before["cpu"]) / count)
        results[names[2]].samples.append(1e3 * single.quantile(0.5))
        results[names[3]].samples.append(1e3 * single.quantile(0.99))
        results[names[4]].samples.append((after["calls"] - before["calls"]) / count)
        results[names[5]].samples.append(count / single.seconds)
        for number in range(2, plan.instances + 1):
            scaled = load(ports[:number], login.headers(mode), plan.seconds, plan.connections)
            results[names[3 + number + 1]].samples.append(len(scaled.latencies) / scaled.seconds)
        _measure_revocation(results[names[8]], mode, ports[0], issuer, login)
        _disable_store(results[names[9]], results[names[10]], mode, ports[0], _log_in(issuer))


def _measure_revocation(figure: Figure, mode: Mode, port: int, issuer: Issuer, login: Login) -> None:
    """Repeat requests after a revocation until all are refused, or for half of ``LONGEST_SECONDS``."""
    issuer.logout(login.sid)
    revoked_at = last_at = time.monotonic()
    while time.monotonic() - revoked_at < LONGEST_SECONDS / 2:
        started_at = time.monotonic()
        statuses = load([port], login.headers(mode), 0.002, len(login.headers(mode))).statuses
        if statuses and 200 not in statuses:
            figure.samples.append(1e3 * max(0.0, last_at - revoked_at))
            return
        last_at = started_at
    seconds = issuer.parts.config.profile.token.access_seconds
    figure.samples.append(1e3 * seconds)
    figure.note = f"still accepted after {LONGEST_SECONDS / 2:g} s; until it expires"


def _disable_store(initial: Figure, final: Figure, mode: Mode, port: int, login: Login) -> None:
    load([port], login.headers(mode), 0.1, 2)
    _control(port, "/down")
    initial.samples.append(_success_rate(port, mode, login, 0.5))
    time.sleep(LONGEST_SECONDS - 0.5)
    final.samples.append(_success_rate(port, mode, login, 0.3))
    _control(port, "/up")


def _success_rate(port: int, mode: Mode, login: Login, seconds: float) -> float:
    statuses = load([port], login.headers(mode), seconds, 2).statuses
    return 100 * statuses.get(200, 0) / max(1, sum(statuses.values()))


def _measure_session_bytes(issuer: Issuer, scratch: ScratchStore, count: int) -> float:
    """Return the bytes of one session in the store, its index included."""
    before = scratch.used_bytes()
    for _ in range(count):
        _open(issuer)
    return max(0.0, scratch.used_bytes() - before) / count


def _add_memory(results: dict[str, Figure], mode: Mode, session_bytes: float) -> None:
    store, instance = list(results.values())[-2:]
    # Without sessions nothing is stored, so nothing can be listed, ended or refreshed either.
    store.samples.append(0.0 if mode == "jwt" else session_bytes)
    store.note = "no list of devices, no end before expiry" if mode == "jwt" else ""
    instance.samples.append(session_cache_bytes() if mode == "hybrid" else 0.0)
    instance.note = "those in use, up to 100,000" if mode == "hybrid" else ""


def _open(issuer: Issuer) -> Any:
    session = new_session()
    issuer.parts.sync_store.sessions.insert(session)
    return session


def _log_in(issuer: Issuer) -> Login:
    while True:
        try:
            issued = issuer.login("ada@example.com", PASSWORD, deliver="both")
        except StoreUnavailable:
            time.sleep(0.1)
            continue
        assert issued.session_token is not None  # noqa: S101 - both were asked for
        assert issued.access_token is not None  # noqa: S101 - as above
        name = issuer.parts.config.profile.cookie.name("session")
        bearer = f"Authorization: Bearer {issued.access_token.reveal()}"
        return Login(issued.sid, f"Cookie: {name}={issued.session_token.reveal()}", bearer)


@contextmanager
def _instances(mode: Mode, scratch: ScratchStore, count: int) -> Generator[Sequence[int]]:
    ports = [_free_port() for _ in range(count)]
    children = [
        subprocess.Popen(  # noqa: S603 - this very Python, and words of our own
            [sys.executable, "-m", "keyturn_lab.compare.instance", mode, str(port)],
            env=scratch.environment,
            stdout=subprocess.DEVNULL,
        )
        for port in ports
    ]
    try:
        for port in ports:
            _wait(port)
        yield ports
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            _control(port, "/counts")
        except OSError:
            if time.monotonic() > deadline:
                raise StoreUnavailable("an instance did not start") from None
            time.sleep(0.05)
        else:
            return


def _control(port: int, path: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        report: dict[str, float] = json.loads(answer.read())
        return report
