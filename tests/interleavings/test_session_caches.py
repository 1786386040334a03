"""Session caches of two processes: a void credential is refused once the feed arrived, or is stale."""

from collections.abc import Callable, Sequence

import pytest

from interleavings.explorer import Actor, Explorer, Report
from interleavings.harness import Harness, ports_of
from interleavings.oracle import check_monotonic
from interleavings.session_caches import (
    STALENESS_SECONDS,
    CapturedSessionCache,
    cache_session,
    check_caches,
    clock_actor,
    copy_to_shared_cache,
    feed,
    make_two_processes,
    session_state_at_start,
)

Enders = dict[str, Callable[[Harness], Actor]]

ENDERS: Enders = {
    "revoke": lambda harness: harness.revoke("r"),
    "revoke subject": lambda harness: harness.revoke_subject("r"),
    "revoke everything": lambda harness: harness.revoke_everything("r"),
    "step-up": lambda harness: harness.step_up("r"),
    "change": lambda harness: harness.change("r"),
    "change elsewhere": lambda harness: harness.change("r", "y"),
    "reuse": lambda harness: harness.rotate("x", 2).refresh("r", counter=0),
    "disable": lambda harness: harness.disable("r"),
}


def enders(test: str, *, stands_in: str, brief: Sequence[str]) -> list[object]:
    """Return the names in ``ENDERS`` as parameters: those not in ``brief`` are long, ``stands_in`` proves the same."""
    long = pytest.mark.long(stands_in=f"tests/interleavings/test_session_caches.py::{test}[{stands_in}]")
    return [pytest.param(each, marks=() if each in brief else long) for each in ENDERS]


def explore(name: str, harness: Harness, actors: list[Actor], faults: int) -> Report:
    def ports(actor: Actor, number: int) -> object:
        return ports_of(harness.state, actor.process, actor.name, number, clock=harness.state.session_caches["clock"])

    witness = session_state_at_start(harness)
    return Explorer(name, harness.state, actors, faults, ports, check_monotonic, check_caches, witness).run()


def scenario_with(
    ender: str, seen: bool, session_cache: type[CapturedSessionCache] = CapturedSessionCache
) -> tuple[Harness, Actor]:
    harness = make_two_processes(session_cache, sessions=2)
    return (cache_session(cache_session(harness, "b"), "a") if seen else harness), ENDERS[ender](harness)


def shared_cache_scenario(
    ender: str, session_cache: type[CapturedSessionCache] = CapturedSessionCache
) -> tuple[Harness, Actor]:
    """Start with empty session caches, and an older copy in the shared cache."""
    harness = copy_to_shared_cache(make_two_processes(session_cache, sessions=2, shared=True))
    return harness, ENDERS[ender](harness)


def verify_twice_after_feed(ender: str, *, seen: bool, reported: Callable[[Report], None]) -> None:
    harness, ending = scenario_with(ender, seen)
    actors = [
        ending,
        harness.verify("v", process="b"),
        harness.verify("w", process="b"),
        feed(harness, "f", "b", polls=2),
    ]
    report = explore(f"{ender} / verify / verify / feed, {'' if seen else 'not '}cached", harness, actors, 1)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("ender", ENDERS)
def test_a_process_refuses_a_credential_after_reading_its_revocation(
    ender: str, reported: Callable[[Report], None]
) -> None:
    verify_twice_after_feed(ender, seen=True, reported=reported)


@pytest.mark.parametrize(
    "ender",
    enders(
        "test_a_process_does_not_cache_a_session_after_reading_its_revocation",
        stands_in="revoke",
        brief=("revoke",),
    ),
)
def test_a_process_does_not_cache_a_session_after_reading_its_revocation(
    ender: str, reported: Callable[[Report], None]
) -> None:
    verify_twice_after_feed(ender, seen=False, reported=reported)


@pytest.mark.parametrize("ender", ENDERS)
def test_the_process_that_ended_it_accepts_no_more(ender: str, reported: Callable[[Report], None]) -> None:
    harness, ending = scenario_with(ender, seen=True)
    actors = [ending, harness.verify("v", process="a"), harness.verify("w", process="a")]
    report = explore(f"{ender} / verify / verify in one process", harness, actors, 1)
    reported(report)
    assert report.violations == []


def test_a_process_refuses_a_session_that_two_processes_ended(reported: Callable[[Report], None]) -> None:
    harness, ending = scenario_with("revoke", seen=True)
    actors = [
        ending,
        harness.revoke("s", process="b"),
        harness.verify("v", process="b"),
        harness.verify("w", process="b"),
    ]
    report = explore("revoke / revoke elsewhere / verify / verify", harness, actors, 1)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize(
    "ender",
    enders(
        "test_access_tokens_are_refused_after_reading_the_revocation",
        stands_in="revoke",
        brief=("revoke", "disable"),
    ),
)
def test_access_tokens_are_refused_after_reading_the_revocation(ender: str, reported: Callable[[Report], None]) -> None:
    harness, ending = scenario_with(ender, seen=False)
    late = clock_actor("t", STALENESS_SECONDS + 1)
    actors = [ending, harness.access("v", process="b"), harness.access("w", process="a"), feed(harness, "f", "b"), late]
    report = explore(f"{ender} / access / access at home / feed / time", harness, actors, 0)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("ender", ENDERS)
def test_no_cached_session_is_used_past_the_staleness_bound(ender: str, reported: Callable[[Report], None]) -> None:
    harness, ending = scenario_with(ender, seen=True)
    late = clock_actor("t", STALENESS_SECONDS + 1)
    actors = [ending, harness.verify("v", process="b"), feed(harness, "f", "b"), late]
    report = explore(f"{ender} / verify / feed / time", harness, actors, 1)
    reported(report)
    assert report.violations == []


# --- a cache that both share, and that answers whatever it was ever given, or nothing ------------------------------


@pytest.mark.parametrize(
    "ender",
    enders(
        "test_a_process_rejects_a_shared_copy_after_reading_the_revocation",
        stands_in="step-up",
        brief=("revoke", "step-up"),
    ),
)
def test_a_process_rejects_a_shared_copy_after_reading_the_revocation(
    ender: str, reported: Callable[[Report], None]
) -> None:
    harness, ending = shared_cache_scenario(ender)
    actors = [
        ending,
        harness.verify("v", process="b"),
        harness.verify("w", process="b"),
        feed(harness, "f", "b", polls=2),
    ]
    report = explore(f"{ender} / verify / verify / feed, shared cache", harness, actors, 0)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize(
    "ender",
    enders("test_no_shared_copy_is_used_past_the_staleness_bound", stands_in="revoke", brief=("revoke",)),
)
def test_no_shared_copy_is_used_past_the_staleness_bound(ender: str, reported: Callable[[Report], None]) -> None:
    harness, ending = shared_cache_scenario(ender)
    late = clock_actor("t", STALENESS_SECONDS + 1)
    actors = [ending, harness.verify("v", process="b"), harness.verify("w", process="a"), feed(harness, "f", "b"), late]
    report = explore(f"{ender} / verify / verify at home / feed / time, shared cache", harness, actors, 0)
    reported(report)
    assert report.violations == []


@pytest.mark.long(
    stands_in="tests/interleavings/test_session_caches.py::test_a_process_rejects_a_shared_copy_after_reading_the_revocation[step-up]"
)
def test_a_crash_leaves_no_void_session_in_a_shared_cache(reported: Callable[[Report], None]) -> None:
    harness, ending = shared_cache_scenario("step-up")
    actors = [ending, harness.verify("v", process="a"), harness.verify("w", process="b"), feed(harness, "f", "b")]
    report = explore("step-up / verify / verify / feed, shared cache", harness, actors, 1)
    reported(report)
    assert report.violations == []
