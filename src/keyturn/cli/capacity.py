"""``keyturn capacity``: what a fleet needs, which limit breaks first, and what a simulation says of it."""

import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.progress import Progress
from rich.table import Table

from keyturn.capacity.calibrate import calibrate
from keyturn.capacity.costs import Costs
from keyturn.capacity.demand import CARRIERS, STORES, Demand, Supply, typical
from keyturn.capacity.model import Model
from keyturn.capacity.simulation import simulate
from keyturn.capacity.study import Study, spoken
from keyturn.cli.files import make_room, write
from keyturn.cli.speak import Json, announce, complaining, complaints, console
from keyturn.errors import ConfigurationError

Word = TypeVar("Word", bound=str)

Rate = Annotated[float | None, typer.Option(help="At the busiest hour; from the sessions unless told.", min=0)]
Whole = Annotated[int, typer.Option(min=1)]


@complaining
def capacity(
    sessions: Annotated[float, typer.Option(min=0, help="Sessions alive.")] = 1e6,
    subjects: Annotated[float | None, typer.Option(min=0, help="Half of the sessions unless told.")] = None,
    verifiers: Whole = 100,
    issuers: Annotated[int, typer.Option(min=1, help="Issuer machines, four workers each.")] = 2,
    logins_per_second: Rate = None,
    refreshes_per_second: Rate = None,
    checks_per_second: Rate = None,
    revocations_per_second: Rate = None,
    access_seconds: Annotated[int, typer.Option(help="Life of an access token.")] = 600,
    staleness_seconds: Annotated[int, typer.Option(help="The staleness bound S.")] = 5,
    carrier: Annotated[str, typer.Option(help="Of the feed: sqlite, postgresql, redis, sse or http.")] = "sse",
    store: Annotated[str | None, typer.Option(help="Of sessions: sqlite, postgresql or redis.")] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Redis nodes that sessions are divided among.")] = 1,
    simulated_seconds: Annotated[float | None, typer.Option(min=1, max=3600, help="Time to simulate.")] = None,
    seed: Annotated[int, typer.Option(help="Of the simulation: the same seed, the same answer.")] = 1,
    measured: Annotated[bool, typer.Option("--calibrate", help="Measure costs on this machine first.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report with plots here.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a fleet needs, what breaks first, and what to do about it. Nothing is opened and nobody is asked."""
    beneath = store or (carrier if carrier in ("sqlite", "postgresql", "redis") else "postgresql")
    demand = typical(
        sessions,
        verifiers,
        issuers,
        access_seconds=access_seconds,
        staleness_seconds=staleness_seconds,
        carrier=_chosen(carrier, CARRIERS, "carrier"),
        store=_chosen(beneath, STORES, "store"),
    )
    given = {
        "subjects": subjects,
        "logins_per_second": logins_per_second,
        "refreshes_per_second": refreshes_per_second,
        "checks_per_second": checks_per_second,
        "revocations_per_second": revocations_per_second,
    }
    demand = replace(demand, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # floats, by name
    make_room([report] if report else [])
    _tell(_study(demand, nodes, seed, simulated_seconds, measured), report, as_json)


def _chosen(word: str, words: tuple[Word, ...], option: str) -> Word:
    for each in words:
        if each == word:
            return each
    raise ConfigurationError(f"--{option} must be one of {', '.join(words)}, not {word!r}")


def _study(demand: Demand, nodes: int, seed: int, seconds: float | None, measured: bool) -> Study:
    with Progress(console=complaints, transient=True) as progress:
        costs = Costs()
        if measured:
            task = progress.add_task("measuring", total=4)
            costs = calibrate(costs, lambda what: progress.update(task, advance=1, description=f"measuring {what}"))
        model = Model(demand, Supply(nodes=nodes), costs)
        simulating = progress.add_task("simulating", total=1.0)
        chance = Random(seed)  # noqa: S311 - in a simulation it guards nothing
        outcome = simulate(model.scene, chance, seconds, lambda share: progress.update(simulating, completed=share))
    return Study(model, outcome)


def _tell(study: Study, report: Path | None, as_json: bool) -> None:
    if report is not None:
        _write(study, report)
    if as_json:
        sys.stdout.write(msgspec.json.encode(study.record()).decode() + "\n")
        return
    console.print(_figures(study))
    console.print(_limits(study))
    announce([study.verdict], console)


def _figures(study: Study) -> Table:
    table = Table(title="what it takes", title_justify="left")
    for name in ("", "figure", "value"):
        table.add_column(name, justify="right" if name == "value" else "left")
    chapter = ""
    for line in study.lines:
        table.add_row(line.chapter if line.chapter != chapter else "", line.name, spoken(line.value, line.unit))
        chapter = line.chapter
    return table


def _limits(study: Study) -> Table:
    table = Table("limit", "needed", "available", "used", "what to do", title="limits", title_justify="left")
    for each in study.limits:
        style = None if each.holds else "dim" if each.outage else "bold yellow"
        figures = (spoken(each.needed, each.unit), spoken(each.available, each.unit), f"{each.load:.2g}")
        table.add_row(each.name, *figures, each.remedy if each.load > 0.1 else "", style=style)
    return table


def _write(study: Study, report: Path) -> None:
    try:
        from keyturn.capacity.report import render
    except ModuleNotFoundError as missing:
        raise ConfigurationError(f"--report needs {missing.name}: pip install 'keyturn[compare]'") from None
    write(report, render(study).encode())
