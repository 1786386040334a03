"""Output of the figures as a table in the terminal and as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Figure


def show(figures: Sequence[Figure], machine: dict[str, Any], console: Console) -> None:
    """Print every series with its quartiles, and every goal with its result."""
    console.print(f"\n{_machine(machine)}; load {machine['load_at_start']} when it began\n", highlight=False)
    for chapter in dict.fromkeys(figure.chapter for figure in figures):
        table = Table("work", "side", "median", "quartiles", "goal", title=chapter, title_justify="left")
        for figure in figures:
            if figure.chapter == chapter:
                _rows(table, figure)
        console.print(table)
    missed = [(figure, goal) for figure in figures for goal in figure.goals if not goal.met]
    for figure, goal in missed:
        why = f": {goal.why}" if goal.why else ""
        console.print(
            f"missed: {figure.chapter}, {figure.work}: {goal.text} (is {goal.value:.3g}){why}", style="yellow"
        )


def _rows(table: Table, figure: Figure) -> None:
    goals = "\n".join(f"{'met' if goal.met else 'missed'}: {goal.text} ({goal.value:.3g})" for goal in figure.goals)
    for number, series in enumerate(figure.series):
        low, high = series.spread
        first = number == 0
        table.add_row(
            figure.work if first else "",
            series.name,
            f"{_short(series.middle)} {figure.unit}",
            f"{_short(low)} to {_short(high)}",
            goals if first else "",
            end_section=number == len(figure.series) - 1,
        )


def write_json(figures: Sequence[Figure], machine: dict[str, Any], path: Path, *, is_update: bool = False) -> None:
    """Write the machine and all figures, samples included.

    ``is_update``: replace only the chapters of ``figures`` in the file, and note the machine of each of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    records: list[dict[str, Any]] = [figure.as_record() for figure in figures]
    document: dict[str, Any] = {"machine": machine, "figures": records}
    if is_update:
        document, chapters = json.loads(path.read_text(encoding="utf-8")), {each["chapter"] for each in records}
        document["figures"] = [each for each in document["figures"] if each["chapter"] not in chapters] + records
        document["chapters"] = {**document.get("chapters", {}), **dict.fromkeys(sorted(chapters), machine)}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _machine(machine: dict[str, Any]) -> str:
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
