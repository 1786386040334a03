"""What a run cost, by phase and by folder."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from services.run import run_folder
from tiers.selection import DURATIONS, unit

LONG_SECONDS = 2.0
"""What takes less need not be put first."""


class Cost(NamedTuple):
    """What one test took."""

    nodeid: str
    seconds: float
    cpu_seconds: float
    outcome: str


def costs() -> list[Cost]:
    """Return the cost of each test of this run."""
    files = sorted((run_folder() / "costs").glob("*.jsonl"))
    return [Cost(*json.loads(line)) for file in files for line in file.read_text().splitlines()]


def table(found: Iterable[Cost]) -> str:
    """Return tests, seconds and CPU seconds by folder, the costliest first."""
    tests, seconds, cpu = Counter[str](), Counter[str](), Counter[str]()
    for each in found:
        folder = str(Path(each.nodeid.partition("::")[0]).parent)
        tests[folder] += 1
        seconds[folder] += each.seconds
        cpu[folder] += each.cpu_seconds
    lines = [f"{'folder':<28} {'tests':>6} {'seconds':>9} {'CPU s':>8}"]
    for folder, spent in cpu.most_common():
        lines.append(f"{folder:<28} {tests[folder]:>6,} {seconds[folder]:>9.1f} {spent:>8.1f}")
    total = f"{'all':<28} {tests.total():>6,} {seconds.total():>9.1f} {cpu.total():>8.1f}"
    return "\n".join([*lines, total])


def outcomes(found: Iterable[Cost]) -> str:
    """Return how many tests passed and failed, in the words that every runner of tests uses."""
    counts = Counter(each.outcome for each in found)
    return f"tests: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


def record(found: Iterable[Cost]) -> None:
    """Write how long each test or group of tests took, for the order of the next runs."""
    seconds = Counter[str]()
    for each in found:
        nodeid, _, group = each.nodeid.partition("@")
        seconds[unit(nodeid, shares=bool(group))] += each.seconds
    slow = {name: round(each, 1) for name, each in sorted(seconds.items()) if each >= LONG_SECONDS}
    DURATIONS.write_text(json.dumps(slow, indent=1) + "\n")
