"""argon2id in a bounded pool, both ways of waiting, and the rules as a port."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import argon2
import pytest

import keyturn.passwords.argon2_hash
import keyturn.passwords.pool
from keyturn.core.policy import PasswordPolicy
from keyturn.errors import ConfigurationError, Overloaded, PasswordRejected
from keyturn.passwords import (
    NICENESS,
    Argon2Hasher,
    Argon2Parameters,
    AsyncArgon2Hasher,
    NistPasswordRules,
    load_blocklist,
)
from keyturn.ports import PasswordCheck
from services.process import until

CHEAP = Argon2Parameters(memory_cost=8, time_cost=1)
NO = PasswordCheck(matches=False)
YES = PasswordCheck(matches=True)


@pytest.fixture
def hasher() -> Iterator[Argon2Hasher]:
    made = Argon2Hasher(CHEAP, threads=1, queue=2)
    yield made
    made.close()


class Gate:
    """Stands in for argon2 and holds every job until it is opened."""

    def __init__(self) -> None:
        self.opened, self.started = threading.Event(), threading.Semaphore(0)

    def __call__(self, *_: object) -> bytes:
        self.started.release()
        assert self.opened.wait(30)
        return bytes(32)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setattr(keyturn.passwords.argon2_hash, "hash_secret_raw", made)
    yield made
    made.opened.set()


def test_a_password_matches_its_hash_and_no_other_does(hasher: Argon2Hasher) -> None:
    encoded = hasher.hash("purple otters")
    assert hasher.verify(encoded, "purple otters") == YES
    assert hasher.verify(encoded, "purple otter") == NO
    assert hasher.hash("purple otters") != encoded


@pytest.mark.conforms("ASVS 11.4.2")
def test_the_default_is_owasps_and_argon2_itself_agrees() -> None:
    hasher = Argon2Hasher()
    encoded = hasher.hash("purple otters")
    assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert argon2.PasswordHasher().verify(encoded, "purple otters")
    assert hasher.verify(argon2.PasswordHasher(2, 19456, 1).hash("purple otters"), "purple otters") == YES
    hasher.close()


def test_a_hash_of_other_parameters_matches_and_is_outdated(hasher: Argon2Hasher) -> None:
    older = argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=2).hash("purple otters")
    assert hasher.verify(older, "purple otters") == PasswordCheck(matches=True, needs_rehash=True)
    assert hasher.verify(older, "purple otter") == NO


def test_spellings_of_one_password_match(hasher: Argon2Hasher) -> None:
    assert hasher.verify(hasher.hash("pa\u0308ss\u00a0word"), "p\u00e4ss word") == YES


@pytest.mark.parametrize("broken", ["\ud800", "a\x00b", "x" * 5000])
def test_an_invalid_password_is_rejected_and_does_not_match(hasher: Argon2Hasher, broken: str) -> None:
    with pytest.raises(PasswordRejected):
        hasher.hash(broken)
    assert hasher.verify(hasher.hash("purple otters"), broken) == NO
    assert hasher.verify(None, broken) == NO


def test_an_unknown_account_costs_the_same_work(monkeypatch: pytest.MonkeyPatch, hasher: Argon2Hasher) -> None:
    encoded, work = hasher.hash("purple otters"), list[tuple[object, ...]]()

    def record(secret: bytes, salt: bytes, *parameters: object) -> bytes:
        work.append((secret, len(salt), *parameters))
        return bytes(32)

    monkeypatch.setattr(keyturn.passwords.argon2_hash, "hash_secret_raw", record)
    for stored in (encoded, None, "", "garbage"):
        assert hasher.verify(stored, "guess") == NO
    assert len(work) == 4
    assert len(set(work)) == 1


def test_past_the_queue_it_is_refused_at_once_and_says_when_to_come_back(hasher: Argon2Hasher, gate: Gate) -> None:
    waiting = [hasher._hashing_pool.verify(None, "guess", "") for _ in range(3)]
    for ask in (lambda: hasher.hash("purple otters"), lambda: hasher.verify(None, "guess")):
        with pytest.raises(Overloaded) as refused:
            ask()
        assert refused.value.retry_after_seconds == 1
    gate.opened.set()
    assert [each.result() for each in waiting] == [NO] * 3
    assert hasher.verify(None, "guess") == NO


def test_memory_that_cannot_be_had_is_an_overload(monkeypatch: pytest.MonkeyPatch, hasher: Argon2Hasher) -> None:
    def starve(*_: object) -> bytes:
        raise argon2.exceptions.HashingError("Memory allocation error")

    monkeypatch.setattr(keyturn.passwords.argon2_hash, "hash_secret_raw", starve)
    for _ in range(5):  # more often than there are places: a failed job frees its own
        with pytest.raises(Overloaded):
            hasher.hash("purple otters")


def test_a_closed_pool_refuses_and_keeps_no_place() -> None:
    hasher = Argon2Hasher(CHEAP, threads=1, queue=0)
    hasher.close()
    for _ in range(3):
        with pytest.raises(Overloaded, match="closed"):
            hasher.hash("purple otters")


def test_a_job_that_waits_while_the_pool_is_closed_is_refused_and_cancels_no_task(gate: Gate) -> None:
    async def main() -> list[object]:
        hasher = AsyncArgon2Hasher(CHEAP, threads=1, queue=2)
        tasks = [asyncio.create_task(hasher.verify(None, "guess")) for _ in range(3)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(gate.started.acquire, timeout=30)
        closing = asyncio.create_task(asyncio.to_thread(hasher.close))
        await asyncio.to_thread(until, lambda: hasher._hashing_pool._threads._is_closed)
        gate.opened.set()
        await closing
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *waiting = asyncio.run(main())
    assert first == NO
    assert [type(each) for each in waiting] == [Overloaded] * 2


def test_waiting_does_not_hold_the_event_loop(gate: Gate) -> None:
    async def main() -> int:
        hasher, turns = AsyncArgon2Hasher(CHEAP, threads=1, queue=1), 0
        hashing = asyncio.create_task(hasher.hash("purple otters"))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(gate.started.acquire, timeout=30)
        for _ in range(100):
            turns += 1
            await asyncio.sleep(0)
        assert not hashing.done()
        gate.opened.set()
        assert (await hashing).startswith("$argon2id$")
        hasher.close()
        return turns

    assert asyncio.run(main()) == 100


def test_a_cancelled_waiter_frees_its_place(gate: Gate) -> None:
    async def main() -> None:
        hasher = AsyncArgon2Hasher(CHEAP, threads=1, queue=1)
        running = asyncio.create_task(hasher.verify(None, "guess"))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(gate.started.acquire, timeout=30)
        for _ in range(50):
            queued = asyncio.create_task(hasher.hash("purple otters"))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await hasher.hash("one too many")
            queued.cancel()
            with pytest.raises(asyncio.CancelledError):
                await queued
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gate.opened.set()
        for _ in range(10):
            await hasher.hash("purple otters")
        hasher.close()

    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="niceness belongs to the whole process elsewhere")
def test_hashing_threads_give_way_and_no_other_thread_does(hasher: Argon2Hasher) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    there = hasher._hashing_pool._threads.submit(lambda: os.getpriority(os.PRIO_PROCESS, 0)).result()
    assert there == max(before, NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_hashing_works_without_permission_to_renice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()

    def forbid(_which: int, _who: int, niceness: int) -> None:
        asked.append(niceness)
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbid, raising=False)
    hasher = Argon2Hasher(CHEAP, threads=1)
    assert hasher.verify(hasher.hash("purple otters"), "purple otters") == YES
    assert bool(asked) == (sys.platform == "linux")
    hasher.close()


def test_threads_are_not_reniced_on_other_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    def renice(*_: int) -> None:
        raise AssertionError("the event loop was slowed down")

    monkeypatch.setattr(os, "setpriority", renice, raising=False)
    monkeypatch.setattr(keyturn.passwords.pool.sys, "platform", "darwin")
    keyturn.passwords.pool._lower_priority()


def test_awaited_answers_are_the_same() -> None:
    async def main() -> None:
        hasher = AsyncArgon2Hasher(CHEAP)
        encoded = await hasher.hash("purple otters")
        assert await hasher.verify(encoded, "purple otters") == YES
        assert await hasher.verify(encoded, "guess") == NO
        assert await hasher.verify(encoded, "\ud800") == NO
        with pytest.raises(PasswordRejected):
            await hasher.hash("\x00")
        hasher.close()

    asyncio.run(main())


def test_concurrent_calls_stay_within_the_pool_or_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, at_work, most, answers, crowded = threading.Lock(), 0, 0, list[bool](), threading.Event()

    def count(*_: object) -> bytes:
        nonlocal at_work, most
        with lock:
            at_work, most = at_work + 1, max(most, at_work + 1)
        assert crowded.wait(30)
        with lock:
            at_work -= 1
        return bytes(32)

    monkeypatch.setattr(keyturn.passwords.argon2_hash, "hash_secret_raw", count)
    hasher = Argon2Hasher(CHEAP, threads=2, queue=3)

    def log_in() -> None:
        for _ in range(5):
            try:
                hasher.verify(None, "guess")
                answers.append(True)
            except Overloaded:
                answers.append(False)
                crowded.set()

    crowd = [threading.Thread(target=log_in) for _ in range(30)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
    assert len(answers) == 150
    assert {True, False} == set(answers)
    assert most <= 2
    hasher.close()


@pytest.mark.parametrize("size", [{"threads": 0}, {"threads": 1, "queue": -1}])
def test_a_pool_without_room_is_a_mistake(size: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Argon2Hasher(CHEAP, **size)


def test_the_rules_come_with_the_shipped_list() -> None:
    rules = NistPasswordRules(service_names=["Example Shop"])
    rules.validate("purple otters invent soup", "ada@example.com")
    for password in ("correcthorsebatterystaple", "short", "example shop 2024"):
        with pytest.raises(PasswordRejected):
            rules.validate(password, "ada@example.com")
    NistPasswordRules(PasswordPolicy(minimum=8)).validate("vq7kmt2x", "ada@example.com")
    assert load_blocklist() is load_blocklist()


def test_the_core_installs_without_argon2() -> None:
    code = (
        "import sys; sys.modules['argon2'] = None; import keyturn.core.password, keyturn.ports, keyturn.core.throttle"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
