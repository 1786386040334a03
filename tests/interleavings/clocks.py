"""A process whose wall clock steps while others revoke, purge, follow the log and check credentials."""

from collections.abc import Callable
from typing import Any

from interleavings.explorer import Actor, Explorer, Node, Report
from interleavings.harness import T0, Harness, outcome, ports_of
from interleavings.oracle import check_monotonic, dead
from interleavings.session_caches import STALENESS_SECONDS, CapturedSessionCache, cache_session
from interleavings.state import SystemState
from keyturn.config.store_clock import StoreClock
from keyturn.core.clocks import ClockReading
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant
from keyturn.flows.effects import Call, Flow
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_everything
from keyturn.flows.verify import verify_access, verify_session

HOUR, DAY = 3600, 86_400
STEPS = [10, -10, 2 * HOUR, -2 * HOUR, 40 * DAY, -40 * DAY]
Work = Callable[[Instant, IssuerConfig], Flow[Any]]


class TwoClocks:
    """Wall clock of process ``a``, and the clock of the store, which is right. ``offset``: error of the wall clock."""

    def __init__(self) -> None:
        self.offset = 0
        self.clock = clock = StoreClock(lambda: float(T0 + self.offset), lambda: 100.0, 5, patience_seconds=3600)
        clock.record(float(T0), 100.0)

    def step(self, seconds: int) -> None:
        self.offset += seconds

    def read(self) -> ClockReading:
        return self.clock.read()

    def record(self) -> None:
        self.clock.record(float(T0), 100.0)

    def capture(self) -> Any:
        clock, steady = self.clock, self.clock._steady
        return self.offset, clock._store, clock._limits, clock._logged_seconds, vars(steady).copy()

    def restore(self, held: Any) -> None:
        self.offset, self.clock._store, self.clock._limits, self.clock._logged_seconds, steady = held
        vars(self.clock._steady).update(steady)


def make_processes() -> Harness:
    """Return a harness with processes ``a`` and ``b``, and sessions ``x`` and ``y``, which both have seen."""
    caches = {each: CapturedSessionCache(STALENESS_SECONDS, lambda: 100.0) for each in "ab"}
    state = SystemState(**caches, clock=TwoClocks())
    for cache in caches.values():
        cache.reset(state.store.log.snapshot())
        cache.mark_complete(100.0)
    harness = Harness(state=state).sign_up().log_in("y")
    return cache_session(cache_session(harness, "a", "y"), "b", "y")


def stepping(seconds: int) -> Actor:
    """Return an actor that sets the wall clock of ``a`` wrong, and right again."""

    def step() -> Flow[None]:
        yield Call("clock", "step", (seconds,))
        yield Call("clock", "step", (-seconds,))

    return Actor("step", step, ("step",), lambda _: ("ok", ()), faulty=False)


def timed(harness: Harness, name: str, op: tuple[Any, ...], work: Work) -> Actor:
    """Return an actor of process ``a`` that reads both clocks and then works at what they show."""

    def start() -> Flow[Any]:
        reading: ClockReading = yield Call("clock", "read")
        config = harness.realm
        if reading.gap_seconds:
            config = config.under_doubt(reading.gap_seconds, reading.lead_seconds)
        return (yield from work(reading.now, config))

    return Actor(name, start, op, outcome, "a")


def purging(harness: Harness) -> Actor:
    def purge(now: Instant, config: IssuerConfig) -> Flow[None]:
        if not config.clock_gap_seconds:
            yield Call("sessions", "purge", (now,))

    def start() -> Flow[Any]:
        yield Call("clock", "record")
        return (yield from timed(harness, "purge", ("purge",), purge).start())

    return Actor("purge", start, ("purge",), lambda _: ("ok", ()), faulty=False)


def following(harness: Harness, process: str) -> Actor:
    """Return an actor that reads the log and removes what has expired, by the clocks of process ``a``."""
    position = harness.state.store.log.sequence()

    def poll() -> Flow[None]:
        page = yield Call("log", "after", (position, 100))
        for entry in page.entries:
            yield Call("session_cache", "apply", (entry,))
        reading: ClockReading = yield Call("clock", "read")
        yield Call("session_cache", "expire", (reading.now,))

    return Actor("feed", poll, ("feed",), lambda _: ("ok", ()), process, faulty=False)


def verifying(harness: Harness, session: str) -> Actor:
    text = harness.token(session, "session", 0)
    return timed(harness, f"verify {session}", ("use", session), lambda now, config: verify_session(text, now, config))


def checking_access(harness: Harness, session: str) -> Actor:
    text = harness.issued[session].access_token
    assert text is not None
    flow: Work = lambda now, config: verify_access(text.reveal(), now, config)  # noqa: E731
    return timed(harness, f"access {session}", ("use", session), flow)


def refreshing(harness: Harness, session: str) -> Actor:
    text = harness.token(session, "refresh", 0)
    flow: Work = lambda now, config: refresh(text, "tokens", now, config)  # noqa: E731
    return timed(harness, f"refresh {session}", ("use", session), flow)


def revoking_everything(harness: Harness) -> Actor:
    return timed(harness, "revoke everything", ("revoke all",), revoke_everything)


def check_end(harness: Harness, revoked: set[str]) -> Callable[[Explorer, Node], list[str]]:
    """Check an ending: nobody is logged out by a clock, and what was revoked is refused and in the log."""

    def check(explorer: Explorer, node: Node) -> list[str]:
        complaints = []
        for i, actor in enumerate(explorer.actors):
            said = explorer.outcome(node.at[i])[0]
            if actor.op == ("use", "y") and "y" not in revoked and said not in ("ok", "ClockUncertain", "lost"):
                complaints.append(f"{actor.name} said {said}")
        state = explorer.state
        state.restore(explorer.worlds.values[node.state])
        return complaints + _check_store(harness, state, revoked)

    return check


def _check_store(harness: Harness, state: SystemState, revoked: set[str]) -> list[str]:
    memory = state.store.sessions._memory
    complaints = []
    for name in "xy":
        session = memory.sessions.get(harness.sid(name))
        if session is None or dead(session, memory.floors) is not (name in revoked):
            complaints.append(f"{name} is {'alive' if name in revoked else 'dead'} in the end")
    if revoked and not memory.entries:
        complaints.append("the log lost its entry")
    cache = state.session_caches["b"]
    if revoked == {"x"} and cache.sequence >= memory.sequence and not cache._revocations.ended:
        complaints.append("a process forgot a revocation that it has read")
    return complaints


def explore(name: str, harness: Harness, actors: list[Actor], revoked: set[str]) -> Report:
    def ports(actor: Actor, number: int) -> object:
        return ports_of(harness.state, actor.process, actor.name, number, clock=harness.state.session_caches["clock"])

    return Explorer(name, harness.state, actors, 0, ports, check_monotonic, check_end(harness, revoked)).run()
