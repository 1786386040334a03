"""Every schedule of two and three concurrent flows, with failures injected at every step, against the specification."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from interleavings.explorer import Report
from interleavings.harness import Harness
from interleavings.lost_responses import LOST_RESPONSES, NEVER_FAILING
from interleavings.scenarios import PAIRS, TRIPLES, Scenario, explore
from interleavings.state import SystemState, freeze

SCENES = [*PAIRS, *TRIPLES, *LOST_RESPONSES]


@pytest.mark.parametrize("scenario", [*SCENES, *NEVER_FAILING], ids=lambda scenario: scenario.name)
def test_every_schedule_is_explained_by_some_order(scenario: Scenario, reported: Callable[[Report], None]) -> None:
    report = explore(scenario)
    reported(report)
    assert report.violations == []
    assert report.schedules > 1000


TEST = "tests/interleavings/test_interleavings.py::test_every_schedule_is_explained_by_some_order"
SPARED = [
    pytest.param(scenario, marks=pytest.mark.long(stands_in=f"{TEST}[{scenario.name}]"), id=scenario.name)
    for scenario in SCENES
    if scenario.faults < 2
]
"""Scenes that are explored with fewer than two failures otherwise."""


@pytest.mark.parametrize("scenario", SPARED)
def test_every_schedule_with_two_failures_is_explained_by_some_order(
    scenario: Scenario, reported: Callable[[Report], None]
) -> None:
    report = explore(replace(scenario, name=f"{scenario.name}, two failures", faults=2))
    reported(report)
    assert report.violations == []


def test_scenario_names_are_unique() -> None:
    names = [each.name for each in (*SCENES, *NEVER_FAILING)]
    assert len(set(names)) == len(names)


def test_a_restored_world_is_the_captured_one() -> None:
    """Whatever the memory store holds is captured: else explored futures would leak into one another."""
    harness = Harness().sign_up()
    captured, before = harness.state.capture(), _all_scenarios(harness.state)
    harness.log_in("y").rotate("x", 1)
    harness.run(harness.revoke("p").start(), "p")
    assert _all_scenarios(harness.state) != before
    harness.state.restore(captured)
    assert _all_scenarios(harness.state) == before


def _all_scenarios(state: SystemState) -> object:
    store = state.store
    memory = store.sessions._memory
    held = [getattr(memory, each) for each in memory.__slots__ if each not in ("lock", "sinks")]
    for port in (store.accounts, store.throttles, store.keys, store.audit, store.one_time):
        held += [getattr(port, each) for each in port.__slots__ if each != "_memory"]
    return freeze(held)
