"""Attempts that end before their answer: what stays counted, and for how long."""

import asyncio
import threading
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

import pytest

from flows.catalogue import FlowFixture, later, refused
from interleavings.harness import ADA, OLD, T0, Hasher
from keyturn.core.throttle import Bucket, Rate, account_key, address_key
from keyturn.errors import Overloaded, StoreUnavailable
from keyturn.flows.effects import Call
from keyturn.flows.login import login
from keyturn.flows.signup import signup
from keyturn.flows.step_up import verify_session_password
from keyturn.flows.throttle import reserve
from keyturn.passwords import Argon2Parameters, AsyncArgon2Hasher


class OverloadedHasher(Hasher):
    """No room in the queue, for anything."""

    def hash(self, password: str) -> str:
        raise Overloaded

    def verify(self, encoded: str | None, password: str, identifier: str = "") -> Any:
        raise Overloaded


class ClosedConnection:
    """A store that is away, for anything."""

    def __getattr__(self, verb: str) -> Any:
        raise StoreUnavailable("away")


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def buckets(flows: FlowFixture) -> dict[str, Bucket]:
    return {key: each for key, each in flows.store.throttles._buckets.items() if each.level}


def levels(flows: FlowFixture) -> dict[str, int]:
    return {key: each.level for key, each in buckets(flows).items()}


def cancelled_login(flows: FlowFixture, at: int, *, committed: bool) -> bool:
    """Cancel a login at step ``at``, before or after the store executed it. Return False if the login had ended."""
    flow = login(flows.attempt(OLD), T0, flows.realm)
    step: Call = next(flow)
    try:
        for _ in range(at):
            step = flow.send(flows.answer(step))
    except StopIteration:
        return False
    if committed:
        flows.answer(step)
    with pytest.raises(CancelledError):
        flow.throw(CancelledError())
    return True


@pytest.mark.parametrize("committed", [False, True])
def test_a_cancelled_login_counts_at_most_once_and_leaks(committed: bool) -> None:
    policy, at = FlowFixture().realm.profile.throttle, 0
    limits = {account_key(ADA): policy.account_limit, address_key("192.0.2.1"): policy.address_limit}
    while True:
        flows = FlowFixture()
        before = buckets(flows)
        if not cancelled_login(flows, at, committed=committed):
            break
        added = {key: each for key, each in buckets(flows).items() if before.get(key) != each}
        for key, bucket in added.items():
            rate = Rate(limits[key], policy.window_seconds)
            assert bucket.level == rate.cost_seconds
            assert bucket.empty_at <= later(policy.window_seconds)
        flows.store.throttles.purge(later(policy.window_seconds))
        assert buckets(flows) == {}
        assert flows.run(login(flows.attempt(OLD), T0, flows.realm))
        at += 1
    assert at > 8


def test_a_cancelled_guess_stays_counted(flows: FlowFixture) -> None:
    """An attempt under way may already have been judged: what it shows in time must not be free."""
    flow = login(flows.attempt(OLD), T0, flows.realm)
    step = next(flow)
    while step.port != "hasher":
        step = flow.send(flows.answer(step))
    with pytest.raises(CancelledError):
        flow.throw(CancelledError())
    assert {account_key(ADA), address_key("192.0.2.1")} <= buckets(flows).keys()


def test_logins_cancelled_in_the_queue_leave_it_empty() -> None:
    async def main() -> None:
        hasher, go = AsyncArgon2Hasher(Argon2Parameters(8, 1), threads=1, queue=3), threading.Event()
        blocking = hasher._hashing_pool._threads.submit(go.wait)
        for _ in range(20):
            waiting = [asyncio.create_task(hasher.verify(None, "guess")) for _ in range(3)]
            await asyncio.sleep(0)
            for each in waiting:
                each.cancel()
            assert all(
                isinstance(each, CancelledError) for each in await asyncio.gather(*waiting, return_exceptions=True)
            )
        go.set()
        await asyncio.wrap_future(blocking)
        assert not (await hasher.verify(None, "guess")).matches
        hasher.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "start",
    [
        lambda flows: login(flows.attempt(OLD), T0, flows.realm),
        lambda flows: signup(flows.attempt(OLD, "bob@example.com"), T0, flows.realm),
    ],
    ids=["login", "signup"],
)
def test_an_attempt_refused_as_overloaded_is_not_counted(
    flows: FlowFixture, start: Callable[[FlowFixture], Any]
) -> None:
    before = levels(flows)
    refused(flows, Overloaded, start(flows), hasher=OverloadedHasher())
    assert levels(flows) == before
    assert flows.store.accounts.find("bob@example.com") is None


@pytest.mark.parametrize(
    ("start", "port"),
    [
        (lambda flows: login(flows.attempt(OLD), T0, flows.realm), "accounts"),
        (lambda flows: login(flows.attempt(OLD), T0, flows.realm), "sessions"),
        (lambda flows: signup(flows.attempt(OLD, "bob@example.com"), T0, flows.realm), "sessions"),
        (lambda flows: verify_session_password(flows.x.session, OLD, T0, flows.realm), "accounts"),
    ],
    ids=["login, accounts away", "login, sessions away", "signup, sessions away", "step-up, accounts away"],
)
def test_attempts_during_an_outage_are_not_counted(
    flows: FlowFixture, start: Callable[[FlowFixture], Any], port: str
) -> None:
    before = levels(flows)
    refused(flows, StoreUnavailable, start(flows), **{port: ClosedConnection()})
    assert levels(flows) == before


def test_a_release_returns_only_its_own_reservation(flows: FlowFixture) -> None:
    rate = Rate(10, 900)
    flows.run(reserve([(account_key(ADA), rate)], T0))
    before = levels(flows)
    refused(flows, Overloaded, login(flows.attempt(OLD), T0, flows.realm), hasher=OverloadedHasher())
    assert levels(flows) == before
    assert before[account_key(ADA)] == rate.cost_seconds
