"""Report: the same figures as a table in the terminal, in the README, and as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Goal

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def show(figures: Sequence[Figure], machine: dict[str, Any], console: Console) -> None:
    """Every series with its quartiles, every goal with its verdict."""
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


def write_json(figures: Sequence[Figure], machine: dict[str, Any], path: Path) -> None:
    """Everything, samples included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine, "figures": [figure.as_record() for figure in figures]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_readme(figures: Sequence[Figure], machine: dict[str, Any], path: Path) -> None:
    """Put the table between the markers."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{readme_table(figures, machine)}\n{END}{after}", encoding="utf-8")


def readme_table(figures: Sequence[Figure], machine: dict[str, Any]) -> str:
    """Markdown. Medians; every line measured in one run, all its sides in turns."""
    lines = ["| work | Keyturn | beside it, in the same run | goal |", "|---|---|---|---|"]
    lines += [_line(figure) for figure in figures]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    lines += [
        "",
        *_reasons(figures),
        f"Medians of one run of `scripts/bench` on {machine['measured_at']}: {_machine(machine)}; {versions}.",
        "All sides of a line take turns in that run. [All figures with their spread](bench/results/latest.json)"
        " · [as a plot](bench/results/latest.svg) · [how they are measured](bench/).",
    ]
    return "\n".join(lines)


def _reasons(figures: Sequence[Figure]) -> list[str]:
    missed = [(figure, goal) for figure in figures for goal in figure.goals if not goal.met and goal.why]
    lines = []
    for why in dict.fromkeys(goal.why for _, goal in missed):
        works = dict.fromkeys(_work(figure) for figure, goal in missed if goal.why == why)
        lines.append(f"- Missed ({'; '.join(works)}): {why}.")
    return [*lines, ""] if lines else []


def _work(figure: Figure) -> str:
    return f"{figure.chapter}: {figure.work}"


def _line(figure: Figure) -> str:
    ours, *others = figure.series
    named = ours.name.removeprefix("Keyturn").strip(" ,")
    work = f"{figure.chapter}: {figure.work}" + (f" ({figure.note})" if figure.note else "")
    beside = "; ".join(f"{each.name} {_short(each.middle)}" for each in others)
    value = f"**{_short(ours.middle)} {figure.unit}**" + (f" ({named})" if named else "")
    return f"| {work} | {value} | {beside} | {'<br>'.join(map(_verdict, figure.goals))} |"


def _verdict(goal: Goal) -> str:
    return f"{goal.text}: {'met' if goal.met else '**missed**'} ({goal.value:.3g})"


def _machine(machine: dict[str, Any]) -> str:
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
