"""Near-caches of two processes: a void credential is refused as soon as a process is told, or its news is stale."""

from collections.abc import Callable, Sequence

import pytest

from interleavings.explorer import Actor, Explorer, Report
from interleavings.harness import Rig, ports_of
from interleavings.oracle import never_backwards
from interleavings.session_caches import (
    STALENESS_SECONDS,
    CapturedNear,
    cached,
    copied,
    feed,
    honest_caches,
    time_passes,
    truth_when_it_began,
    two_processes,
)

Enders = dict[str, Callable[[Rig], Actor]]

ENDERS: Enders = {
    "revoke": lambda rig: rig.revoke("r"),
    "revoke subject": lambda rig: rig.revoke_subject("r"),
    "revoke everything": lambda rig: rig.revoke_everything("r"),
    "step-up": lambda rig: rig.step_up("r"),
    "change": lambda rig: rig.change("r"),
    "change elsewhere": lambda rig: rig.change("r", "y"),
    "reuse": lambda rig: rig.rotate("x", 2).refresh("r", counter=0),
    "disable": lambda rig: rig.disable("r"),
}


def enders(test: str, *, stands_in: str, brief: Sequence[str]) -> list[object]:
    """Return the names in ``ENDERS`` as parameters: those not in ``brief`` are long, ``stands_in`` proves the same."""
    long = pytest.mark.long(stands_in=f"tests/interleavings/test_session_caches.py::{test}[{stands_in}]")
    return [pytest.param(each, marks=() if each in brief else long) for each in ENDERS]


def explore(name: str, rig: Rig, actors: list[Actor], faults: int) -> Report:
    def ports(actor: Actor, number: int) -> object:
        return ports_of(rig.world, actor.home, actor.name, number, clock=rig.world.nears["clock"])

    witness = truth_when_it_began(rig)
    return Explorer(name, rig.world, actors, faults, ports, never_backwards, honest_caches, witness).run()


def stage(ender: str, seen: bool, near: type[CapturedNear] = CapturedNear) -> tuple[Rig, Actor]:
    rig = two_processes(near, sessions=2)
    return (cached(cached(rig, "b"), "a") if seen else rig), ENDERS[ender](rig)


def shared_stage(ender: str, near: type[CapturedNear] = CapturedNear) -> tuple[Rig, Actor]:
    """Nothing in the near-caches; a copy, of before, in the cache that both processes share."""
    rig = copied(two_processes(near, sessions=2, shared=True))
    return rig, ENDERS[ender](rig)


def told_and_asked_twice(ender: str, *, seen: bool, reported: Callable[[Report], None]) -> None:
    rig, ending = stage(ender, seen)
    actors = [ending, rig.verify("v", home="b"), rig.verify("w", home="b"), feed(rig, "f", "b", polls=2)]
    report = explore(f"{ender} / verify / verify / feed, {'' if seen else 'not '}cached", rig, actors, 1)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("ender", ENDERS)
def test_a_process_that_was_told_accepts_no_more(ender: str, reported: Callable[[Report], None]) -> None:
    told_and_asked_twice(ender, seen=True, reported=reported)


@pytest.mark.parametrize(
    "ender",
    enders(
        "test_a_process_that_was_told_caches_nothing_void",
        stands_in="revoke",
        brief=("revoke", "reuse"),
    ),
)
def test_a_process_that_was_told_caches_nothing_void(ender: str, reported: Callable[[Report], None]) -> None:
    told_and_asked_twice(ender, seen=False, reported=reported)


@pytest.mark.parametrize("ender", ENDERS)
def test_the_process_that_ended_it_accepts_no_more(ender: str, reported: Callable[[Report], None]) -> None:
    rig, ending = stage(ender, seen=True)
    actors = [ending, rig.verify("v", home="a"), rig.verify("w", home="a")]
    report = explore(f"{ender} / verify / verify in one process", rig, actors, 1)
    reported(report)
    assert report.violations == []


def test_a_process_that_ends_what_another_has_ended_accepts_no_more(reported: Callable[[Report], None]) -> None:
    rig, ending = stage("revoke", seen=True)
    actors = [ending, rig.revoke("s", home="b"), rig.verify("v", home="b"), rig.verify("w", home="b")]
    report = explore("revoke / revoke elsewhere / verify / verify", rig, actors, 1)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize(
    "ender",
    enders(
        "test_access_tokens_stop_as_soon_as_a_process_is_told",
        stands_in="revoke",
        brief=("revoke", "disable"),
    ),
)
def test_access_tokens_stop_as_soon_as_a_process_is_told(ender: str, reported: Callable[[Report], None]) -> None:
    rig, ending = stage(ender, seen=False)
    late = time_passes("t", STALENESS_SECONDS + 1)
    actors = [ending, rig.access("v", home="b"), rig.access("w", home="a"), feed(rig, "f", "b"), late]
    report = explore(f"{ender} / access / access at home / feed / time", rig, actors, 0)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize("ender", ENDERS)
def test_news_older_than_the_bound_is_never_acted_on(ender: str, reported: Callable[[Report], None]) -> None:
    rig, ending = stage(ender, seen=True)
    late = time_passes("t", STALENESS_SECONDS + 1)
    actors = [ending, rig.verify("v", home="b"), feed(rig, "f", "b"), late]
    report = explore(f"{ender} / verify / feed / time", rig, actors, 1)
    reported(report)
    assert report.violations == []


# --- a cache that both share, and that answers whatever it was ever given, or nothing ------------------------------


@pytest.mark.parametrize(
    "ender",
    enders(
        "test_a_process_that_was_told_believes_no_copy",
        stands_in="step-up",
        brief=("revoke", "step-up"),
    ),
)
def test_a_process_that_was_told_believes_no_copy(ender: str, reported: Callable[[Report], None]) -> None:
    rig, ending = shared_stage(ender)
    actors = [ending, rig.verify("v", home="b"), rig.verify("w", home="b"), feed(rig, "f", "b", polls=2)]
    report = explore(f"{ender} / verify / verify / feed, shared cache", rig, actors, 0)
    reported(report)
    assert report.violations == []


@pytest.mark.parametrize(
    "ender",
    enders("test_a_copy_helps_nobody_past_the_bound", stands_in="revoke", brief=("revoke",)),
)
def test_a_copy_helps_nobody_past_the_bound(ender: str, reported: Callable[[Report], None]) -> None:
    rig, ending = shared_stage(ender)
    late = time_passes("t", STALENESS_SECONDS + 1)
    actors = [ending, rig.verify("v", home="b"), rig.verify("w", home="a"), feed(rig, "f", "b"), late]
    report = explore(f"{ender} / verify / verify at home / feed / time, shared cache", rig, actors, 0)
    reported(report)
    assert report.violations == []


@pytest.mark.long(
    stands_in="tests/interleavings/test_session_caches.py::test_a_process_that_was_told_believes_no_copy[step-up]"
)
def test_a_crash_beside_a_shared_cache_leaves_nothing_void(reported: Callable[[Report], None]) -> None:
    rig, ending = shared_stage("step-up")
    actors = [ending, rig.verify("v", home="a"), rig.verify("w", home="b"), feed(rig, "f", "b")]
    report = explore("step-up / verify / verify / feed, shared cache", rig, actors, 1)
    reported(report)
    assert report.violations == []
