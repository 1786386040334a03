"""Every schedule of two and three concurrent flows, with failures injected at every step, against the specification."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from interleavings.explorer import Report
from interleavings.harness import Rig
from interleavings.scenarios import PAIRS, TRIPLES, Scene, explore
from interleavings.state import World, freeze


@pytest.mark.parametrize("scene", [*PAIRS, *TRIPLES], ids=lambda scene: scene.name)
def test_every_schedule_is_explained_by_some_order(scene: Scene, reported: Callable[[Report], None]) -> None:
    report = explore(scene)
    reported(report)
    assert report.violations == []
    assert report.schedules > 1000


TEST = "tests/interleavings/test_interleavings.py::test_every_schedule_is_explained_by_some_order"
SPARED = [
    pytest.param(scene, marks=pytest.mark.long(stands_in=f"{TEST}[{scene.name}]"), id=scene.name)
    for scene in (*PAIRS, *TRIPLES)
    if scene.faults < 2
]
"""Scenes that are explored with fewer than two failures otherwise."""


@pytest.mark.parametrize("scene", SPARED)
def test_every_schedule_with_two_failures_is_explained_by_some_order(
    scene: Scene, reported: Callable[[Report], None]
) -> None:
    report = explore(replace(scene, name=f"{scene.name}, two failures", faults=2))
    reported(report)
    assert report.violations == []


def test_scenes_are_told_apart_by_name() -> None:
    names = [each.name for each in (*PAIRS, *TRIPLES)]
    assert len(set(names)) == len(names)


def test_a_restored_world_is_the_captured_one() -> None:
    """Whatever the memory store holds is captured: else explored futures would leak into one another."""
    rig = Rig().sign_up()
    captured, before = rig.world.capture(), _everything(rig.world)
    rig.log_in("y").rotate("x", 1)
    rig.run(rig.revoke("p").start(), "p")
    assert _everything(rig.world) != before
    rig.world.restore(captured)
    assert _everything(rig.world) == before


def _everything(world: World) -> object:
    store = world.store
    memory = store.sessions._memory
    held = [getattr(memory, each) for each in memory.__slots__ if each not in ("lock", "sinks")]
    for port in (store.accounts, store.throttles, store.keys, store.audit):
        held += [getattr(port, each) for each in port.__slots__ if each != "_memory"]
    return freeze(held)
