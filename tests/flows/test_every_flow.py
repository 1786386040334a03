"""Properties of every flow.

A flow that is cancelled or fails at any step stops at once and leaves no partial write. Its steps show no secret. The
sync and the async driver give the same results.
"""

import asyncio
from asyncio import CancelledError
from copy import copy
from types import SimpleNamespace
from typing import Any

import pytest

from flows.catalogue import CASES, Case, FlowFixture
from interleavings.harness import NEW, OLD
from interleavings.state import SystemState, freeze
from keyturn.core.sealed import PlaintextToken
from keyturn.errors import Refusal, RevocationUnknown, StoreUnavailable
from keyturn.flows.drive import drive, drive_async
from keyturn.flows.effects import Call, Flow

ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def ended(flow: Flow[Any], ports: Any) -> Any:
    try:
        return freeze(drive(flow, ports))
    except Refusal as refusal:
        return type(refusal)


def steps(case: Case) -> list[Call]:
    """Return the effects of a run without failures."""
    flows = FlowFixture()
    taken: list[Call] = []
    flow = case.start(flows)
    try:
        step = next(flow)
        while True:
            taken.append(step)
            step = flow.send(flows.answer(step))
    except (StopIteration, Refusal):
        return taken


def thrown(case: Case, at: int, failure: BaseException) -> tuple[FlowFixture, Flow[Any], Call]:
    """Run up to step ``at`` and throw there, in place of its answer. Answers what the flow asks for next."""
    flows = FlowFixture()
    flow = case.start(flows)
    step = next(flow)
    for _ in range(at):
        step = flow.send(flows.answer(step))
    return flows, flow, flow.throw(failure)


def to_the_end(flows: FlowFixture, flow: Flow[Any], step: Call) -> None:
    """Go on, everything being there again, until the flow ends as it will: by ``StopIteration`` or a refusal."""
    while True:
        step = flow.send(flows.answer(step))


@ALL
def test_cancelled_anywhere_it_stops_at_once(case: Case) -> None:
    for at in range(len(steps(case))):
        with pytest.raises(CancelledError):
            thrown(case, at, CancelledError())


@ALL
def test_a_crash_of_a_port_comes_out_as_it_is(case: Case) -> None:
    for at, step in enumerate(steps(case)):
        with pytest.raises(ZeroDivisionError):
            thrown(case, at, ZeroDivisionError(repr(step)))


@ALL
def test_an_unavailable_store_is_never_a_401(case: Case) -> None:
    for at, step in enumerate(steps(case)):
        if step.port not in ("sessions", "accounts", "log", "one_time") or step.method == "last_use":
            continue  # the last use is a precaution, which a revocation does not wait for
        try:
            to_the_end(*thrown(case, at, StoreUnavailable("away")))
        except (StoreUnavailable, RevocationUnknown):
            continue
        except StopIteration:
            assert case.name in ("end replaced", "touch")  # done what matters: the rest is left


@ALL
def test_an_abandoned_flow_leaves_no_lock_acquired(case: Case) -> None:
    """A crashed flow: what it asked for has happened, and every flow still runs on what it left."""
    for at in range(len(steps(case))):
        flows = FlowFixture()
        flow = case.start(flows)
        step = next(flow)
        for _ in range(at):
            step = flow.send(flows.answer(step))
        flow.close()
        for other in CASES:
            state = SystemState(flows.store)
            held = state.capture()
            ended(other.start(flows), flows.ports)
            state.restore(held)


@ALL
def test_no_step_shows_a_secret(case: Case) -> None:
    for step in steps(case):
        assert repr(step) == str(step) == f"Call({step.port}.{step.method})"
        shown = [repr(each) for each in step.arguments if not isinstance(each, (str, bytes))]
        for text in shown:
            assert OLD not in text
            assert NEW not in text
            assert "new:" not in text


@ALL
def test_issued_credentials_are_masked(case: Case) -> None:
    flows = FlowFixture()
    try:
        answer = drive(case.start(flows), flows.ports)
    except Refusal as refusal:
        answer = refusal
    tokens = [getattr(answer, each, None) for each in ("session_token", "refresh_token", "access_token", "csrf_token")]
    for token in tokens:
        if isinstance(token, PlaintextToken):
            assert token.reveal() not in repr(answer)
            assert token.reveal().rpartition(".")[2] not in repr(answer)


class AsyncPorts:
    """A port whose methods are coroutines."""

    def __init__(self, port: Any) -> None:
        self.port = port

    def __getattr__(self, verb: str) -> Any:
        async def call(*arguments: object) -> Any:
            await asyncio.sleep(0)
            return getattr(self.port, verb)(*arguments)

        return call


@ALL
def test_both_drivers_end_alike(case: Case) -> None:
    sync, mixed = FlowFixture(), FlowFixture()
    ports = copy(mixed.ports)
    for name in ("sessions", "accounts", "throttles", "audit", "log", "keys", "one_time", "hasher", "key_generator"):
        setattr(ports, name, AsyncPorts(getattr(ports, name)))

    async def as_async_port() -> Any:
        try:
            return freeze(await drive_async(case.start(mixed), ports))
        except Refusal as refusal:
            return type(refusal)

    assert asyncio.run(as_async_port()) == ended(case.start(sync), sync.ports)
    assert freeze(SystemState(mixed.store).capture()) == freeze(SystemState(sync.store).capture())


# --- the drivers themselves -------------------------------------------------------------------------------------


class Port:
    def answer(self, value: object) -> object:
        return value

    def fail(self) -> None:
        raise StoreUnavailable("away")

    async def hang(self) -> None:
        await asyncio.Event().wait()


PORTS: Any = SimpleNamespace(port=Port())


def resilient() -> Flow[list[object]]:
    seen: list[object] = [(yield Call("port", "answer", (1,)))]
    try:
        yield Call("port", "fail")
    except StoreUnavailable as away:
        seen.append(away.detail)
    seen.append((yield Call("port", "answer", (2,))))
    return seen


def failing_flow() -> Flow[None]:
    yield Call("port", "fail")


def last_effect() -> Flow[str]:
    try:
        yield Call("port", "fail")
    except StoreUnavailable:
        return "caught"
    return "never"


def unanswered_port() -> Flow[str]:
    return "done"
    yield  # a generator all the same


def test_a_failure_is_raised_at_the_effect_that_caused_it() -> None:
    assert drive(resilient(), PORTS) == [1, "away", 2]
    assert asyncio.run(drive_async(resilient(), PORTS)) == [1, "away", 2]


def test_an_uncaught_failure_propagates() -> None:
    with pytest.raises(StoreUnavailable):
        drive(failing_flow(), PORTS)
    with pytest.raises(StoreUnavailable):
        asyncio.run(drive_async(failing_flow(), PORTS))


@pytest.mark.parametrize(("flow", "answer"), [(last_effect, "caught"), (unanswered_port, "done")])
def test_a_flow_may_end_on_a_failure_or_without_a_step(flow: Any, answer: str) -> None:
    assert drive(flow(), PORTS) == answer
    assert asyncio.run(drive_async(flow(), PORTS)) == answer


def test_a_cancelled_task_runs_the_flows_last_wishes() -> None:
    cleaned: list[str] = []

    def hanging() -> Flow[None]:
        try:
            yield Call("port", "hang")
        finally:
            cleaned.append("yes")

    async def cancel() -> None:
        task = asyncio.create_task(drive_async(hanging(), PORTS))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(CancelledError):
        asyncio.run(cancel())
    assert cleaned == ["yes"]
