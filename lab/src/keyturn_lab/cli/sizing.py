"""Computation and output of ``keyturn capacity``."""

import sys
from pathlib import Path
from random import Random

import msgspec
from rich.progress import Progress
from rich.table import Table

from keyturn.cli.files import write
from keyturn.cli.output import console, print_lines, stderr
from keyturn_lab.capacity.calibrate import calibrate
from keyturn_lab.capacity.costs import Costs
from keyturn_lab.capacity.demand import Demand, Supply
from keyturn_lab.capacity.model import Model
from keyturn_lab.capacity.simulation import simulate
from keyturn_lab.capacity.study import Study, format_figure


def solve(demand: Demand, nodes: int, seed: int, seconds: float | None, measure_costs: bool) -> Study:
    """Compute and simulate one fleet. ``measure_costs``: calibrate the costs on this machine first."""
    with Progress(console=stderr, transient=True) as progress:
        costs = Costs()
        if measure_costs:
            task = progress.add_task("measuring", total=4)
            costs = calibrate(costs, lambda what: progress.update(task, advance=1, description=f"measuring {what}"))
        model = Model(demand, Supply(nodes=nodes), costs)
        task = progress.add_task("simulating", total=1.0)
        random = Random(seed)  # noqa: S311 - in a simulation it guards nothing
        outcome = simulate(model.scene, random, seconds, lambda share: progress.update(task, completed=share))
    return Study(model, outcome)


def print_study(study: Study, report: Path | None, as_json: bool) -> None:
    """Print tables, or JSON for programs. Write the HTML page to ``report``."""
    if report is not None:
        _write(study, report)
    if as_json:
        sys.stdout.write(msgspec.json.encode(study.record()).decode() + "\n")
        return
    console.print(_figures(study))
    console.print(_limits(study))
    print_lines([study.verdict], console)


def _figures(study: Study) -> Table:
    table = Table(title="what it takes", title_justify="left")
    for name in ("", "figure", "value"):
        table.add_column(name, justify="right" if name == "value" else "left")
    chapter = ""
    for line in study.lines:
        table.add_row(line.chapter if line.chapter != chapter else "", line.name, format_figure(line.value, line.unit))
        chapter = line.chapter
    return table


def _limits(study: Study) -> Table:
    table = Table("limit", "needed", "available", "used", "what to do", title="limits", title_justify="left")
    for each in study.limits:
        style = None if each.is_met else "dim" if each.outage else "bold yellow"
        figures = (format_figure(each.needed, each.unit), format_figure(each.available, each.unit), f"{each.load:.2g}")
        table.add_row(each.name, *figures, each.remedy if each.load > 0.1 else "", style=style)
    return table


def _write(study: Study, report: Path) -> None:
    from keyturn_lab.capacity.report import render

    write(report, render(study).encode())
