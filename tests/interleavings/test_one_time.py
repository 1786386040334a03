"""Every schedule of exchanges, replays, revocations and purges of one code, with failures at every step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from interleavings import clocks
from interleavings.clocks import DAY, HOUR, STEPS, make_processes, stepping, timed
from interleavings.explorer import LOST, Actor, Explorer, Node, Report
from interleavings.harness import OLD, T0, Harness, outcome, ports_of, session_maker
from interleavings.state import SystemState
from interleavings.test_clocks import trusting
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.one_time import MARGIN_SECONDS, OneTimeKind, OneTimeValue
from keyturn.core.session import ClientInfo, Session
from keyturn.core.types import Instant
from keyturn.flows.effects import Call, Flow
from keyturn.flows.one_time import REPLAYED, exchange_one_time, put_one_time
from keyturn.flows.revoke import revoke_subject
from keyturn.stores.memory.one_time import MemoryOneTime

CODE = OneTimeKind.CODE
Reported = Callable[[Report], None]


def put(harness: Harness, now: Instant = T0) -> str:
    flow = put_one_time(CODE, harness.subject, b"", 60, now, harness.realm)
    return str(harness.run(flow, "code").reveal())


def exchange(harness: Harness, text: str, now: Instant, realm: IssuerConfig) -> Flow[Session]:
    trying = replace(harness.attempt(OLD), client=ClientInfo(label="made"))
    return exchange_one_time(CODE, text, session_maker(trying, now, realm), now, realm)


def exchanging(harness: Harness, name: str, text: str) -> Actor:
    start = lambda: exchange(harness, text, T0, harness.realm)  # noqa: E731 - a flow not yet begun
    return Actor(name, start, ("exchange",), outcome)


def revoking(harness: Harness) -> Actor:
    return Actor("r", lambda: revoke_subject(harness.subject, T0, harness.realm), ("revoke",), outcome)


def purging(seconds: int) -> Actor:
    def purge() -> Flow[None]:
        yield Call("one_time", "purge", (Instant(T0 + seconds),))

    return Actor("purge", purge, ("purge",), outcome)


def check_marks(state: SystemState, before: Any, after: Any) -> list[str]:
    """Check a change: a mark never becomes live again, and names one session."""
    number = next(i for i, part in enumerate(state.parts()) if part is state.store.one_time._values)
    complaints = []
    for key, value in after[0][number].items():
        previous: OneTimeValue | None = before[0][number].get(key)
        if previous is not None and not (
            value.uses == previous.uses + 1 or (value == previous and previous.made in ("", value.made))
        ):
            complaints.append(f"{previous} became {value}")
    return complaints


def check_end(explorer: Explorer, node: Node) -> list[str]:
    """Check an ending: at most one exchange succeeds, and a replay ends what it made, and nothing else does."""
    said = {actor.name: explorer.outcome(place)[0] for actor, place in zip(explorer.actors, node.at, strict=True)}
    exchanges = [said[actor.name] for actor in explorer.actors if actor.op == ("exchange",)]
    complaints = [
        f"unexpected {each}" for each in exchanges if each not in ("ok", "TokenReused", "TokenInvalid", *LOST)
    ]
    if exchanges.count("ok") > 1:
        complaints.append("two exchanges succeeded")
    explorer.state.restore(explorer.worlds.values[node.state])
    sessions = explorer.state.store.sessions._memory.sessions
    made = [session for session in sessions.values() if session.client.label == "made"]
    reasons = [session.end_reason for session in made]
    if "ok" in exchanges:
        if "TokenReused" in exchanges and reasons.count("") > 0:
            complaints.append("a replay left the session that was made")
        if not {"TokenReused", *LOST} & set(exchanges) and REPLAYED in reasons:
            complaints.append("a session was ended without a replay")
        if not made:
            complaints.append("an exchange succeeded without a session")
    return complaints


def explore(name: str, harness: Harness, actors: list[Actor], faults: int) -> Report:
    def ports(actor: Actor, number: int) -> object:
        return ports_of(harness.state, actor.process, actor.name, number)

    return Explorer(name, harness.state, actors, faults, ports, check_marks, check_end).run()


@pytest.fixture
def harness() -> Harness:
    return Harness().sign_up()


def two(harness: Harness) -> list[Actor]:
    text = put(harness)
    return [exchanging(harness, name, text) for name in ("p", "q")]


def test_two_exchanges_of_one_code(harness: Harness, reported: Reported) -> None:
    report = explore("exchange / exchange", harness, two(harness), 2)
    reported(report)
    assert report.violations == []
    assert report.schedules > 1000


@pytest.mark.long(stands_in="tests/interleavings/test_one_time.py::test_two_exchanges_of_one_code")
def test_three_exchanges_of_one_code(harness: Harness, reported: Reported) -> None:
    text = put(harness)
    actors = [exchanging(harness, name, text) for name in ("p", "q", "s")]
    report = explore("exchange / exchange / exchange", harness, actors, 1)
    reported(report)
    assert report.violations == []


def test_an_exchange_a_replay_and_a_revocation(harness: Harness, reported: Reported) -> None:
    report = explore("exchange / exchange / revoke subject", harness, [*two(harness), revoking(harness)], 1)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("seconds", [-MARGIN_SECONDS, 40 * DAY])
def test_an_exchange_a_replay_and_a_purge(harness: Harness, seconds: int, reported: Reported) -> None:
    report = explore(f"exchange / exchange / purge {seconds:+} s", harness, [*two(harness), purging(seconds)], 1)
    reported(report)
    assert report.violations == []


def test_an_exchange_that_reads_no_replay_is_caught(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.flows.one_time.record_replay", lambda value: value)
    assert "a replay left the session that was made" in explore("", harness, two(harness), 0).violations


def test_a_store_that_swaps_unconditionally_is_caught(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def swap(store: MemoryOneTime, value: OneTimeValue) -> bool:
        store._values[value.kind, value.digest] = value
        return True

    monkeypatch.setattr(MemoryOneTime, "replace", swap)
    assert "two exchanges succeeded" in explore("", harness, two(harness), 0).violations


# --- clocks -----------------------------------------------------------------------------------------------------


def purging_by_both_clocks(harness: Harness) -> Actor:
    def purge(now: Instant, config: IssuerConfig) -> Flow[None]:
        if not config.clock_gap_seconds:
            yield Call("one_time", "purge", (Instant(now - MARGIN_SECONDS),))

    def start() -> Flow[Any]:
        yield Call("clock", "record")
        return (yield from timed(harness, "purge", ("purge",), purge).start())

    return Actor("purge", start, ("purge",), lambda _: ("ok", ()), faulty=False)


def explore_clocks(name: str, harness: Harness, actor: Actor, step: int, allowed: set[str]) -> Report:
    def check(explorer: Explorer, node: Node) -> list[str]:
        said = explorer.outcome(node.at[0])[0]
        return [] if said in (*allowed, *LOST) else [f"{actor.name} said {said}"]

    def ports(actor: Actor, number: int) -> object:
        return ports_of(harness.state, actor.process, actor.name, number, clock=harness.state.session_caches["clock"])

    actors = [actor, stepping(step), purging_by_both_clocks(harness)]
    return Explorer(name, harness.state, actors, 0, ports, check_marks, check).run()


def exchanging_by_both_clocks(harness: Harness, text: str) -> Actor:
    work: clocks.Work = lambda now, config: exchange(harness, text, now, config)  # noqa: E731
    return timed(harness, "exchange", ("exchange",), work)


@pytest.mark.parametrize("step", STEPS)
def test_no_clock_expires_a_live_code(step: int, reported: Reported) -> None:
    harness = make_processes()
    actor = exchanging_by_both_clocks(harness, put(harness))
    report = explore_clocks(f"clock {step:+} s / exchange / purge", harness, actor, step, {"ok"})
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("step", STEPS)
def test_no_clock_revives_an_expired_code(step: int, reported: Reported) -> None:
    harness = make_processes()
    actor = exchanging_by_both_clocks(harness, put(harness, Instant(T0 - 60)))
    report = explore_clocks(f"clock {step:+} s / late exchange / purge", harness, actor, step, {"TokenExpired"})
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("step", STEPS)
def test_a_code_put_under_a_stepping_clock_is_accepted_or_waits(step: int, reported: Reported) -> None:
    harness = make_processes()

    def work(now: Instant, config: IssuerConfig) -> Flow[Session]:
        text = yield from put_one_time(CODE, harness.subject, b"", 60, now, config)
        flow: clocks.Work = lambda now, config: exchange(harness, text.reveal(), now, config)  # noqa: E731
        return (yield from timed(harness, "", (), flow).start())

    report = explore_clocks(
        f"clock {step:+} s / put and exchange / purge",
        harness,
        timed(harness, "put and exchange", ("put",), work),
        step,
        {"ok"},
    )
    reported(report)
    assert report.violations == []


def test_an_exchange_by_the_wall_clock_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.config.store_clock.read_clocks", trusting)
    harness = make_processes()
    late = exchanging_by_both_clocks(harness, put(harness, Instant(T0 - 60)))
    assert explore_clocks("", harness, late, -61, {"TokenExpired"}).violations


def test_an_expiry_by_the_wall_clock_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.config.store_clock.read_clocks", trusting)
    harness = make_processes()
    live = exchanging_by_both_clocks(harness, put(harness))
    assert explore_clocks("", harness, live, 2 * HOUR, {"ok"}).violations
