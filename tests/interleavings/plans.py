"""Which schedules are played on real stores: made once, and kept in a file named by a hash of what they depend on."""

import hashlib
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import interleavings
import keyturn
from interleavings.cover import Cover, Schedule, StateGraph
from interleavings.lost_responses import LOST_RESPONSES
from interleavings.scenarios import PAIRS, TRIPLES, Scenario
from services.run import ROOT, locked

DRAWN = 5
"""Schedules drawn at random of each scene."""

LARGE = ("login / login", "login / wrong login", "login that rehashes / login that rehashes")
"""Scenes whose failures take three quarters of all schedules."""

SCENES = [*PAIRS, *TRIPLES, *LOST_RESPONSES]
WHOLE = {each.name: each for each in SCENES}
BRIEF = {each.name: replace(each, faults=0) if each.name in LARGE else each for each in SCENES}
"""Scenes without the failures of the large ones."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``transitions``: how many a store has in a scene. ``covering``: schedules that take them all. ``drawn``: some."""

    transitions: int
    covering: Sequence[Schedule]
    drawn: Sequence[Schedule]


def groups() -> dict[str, list[Scenario]]:
    """Return the brief scenes by the flow that comes first in each."""
    found: dict[str, list[Scenario]] = {}
    for scenario in BRIEF.values():
        found.setdefault(scenario.name.split()[0], []).append(scenario)
    return found


@cache
def planned(name: str, faults: int) -> Plan:
    """Return the plan of the scene ``name`` with at most ``faults`` failures: from its file, or made now."""
    number = list(WHOLE).index(name)
    file = ROOT / ".cache" / "interleavings" / f"{_inputs()}-{number}-{faults}.pickle"
    with locked(f"plan.{number}"):
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(_plan(replace(WHOLE[name], faults=faults), number)))
    plan: Plan = pickle.loads(file.read_bytes())
    return plan


def _plan(scenario: Scenario, number: int) -> Plan:
    chart = StateGraph(scenario)
    return Plan(chart.transitions, tuple(Cover(chart)), tuple(chart.drawn(DRAWN, seed=number)))


@cache
def _inputs() -> str:
    """Return a hash of everything a plan depends on: flows, decisions, the memory store, the explorer, Python."""
    product, explorer = Path(keyturn.__file__).parent, Path(*interleavings.__path__)
    files = [product / "generators.py"]
    for folder in ("errors", "ports", "core", "flows", "stores/memory"):
        files += sorted((product / folder).glob("*.py"))
    files += [each for each in sorted(explorer.glob("*.py")) if not each.name.startswith("test_")]
    digest = hashlib.sha256(sys.version.encode())
    for each in files:
        digest.update(each.read_bytes())
    return digest.hexdigest()[:16]
