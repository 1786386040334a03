"""``keyturn compare``: measurement of the modes session, JWT and hybrid on the operator's own store."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from keyturn.cli.files import ensure_writable, write
from keyturn.cli.output import Json, console, print_lines, report_errors, stderr

app = typer.Typer(add_completion=False)

Store = Annotated[
    str,
    typer.Option(
        help="URL of your SQLite or PostgreSQL database, in which nothing is changed.",
        show_default="a temporary SQLite file",
    ),
]
Sessions = Annotated[
    str, typer.Option(help="URL of a Redis for the sessions, with an empty database number.", show_default="the store")
]
Seconds = Annotated[float, typer.Option(min=0.2, max=60, help="Duration of the load of each run.")]
Runs = Annotated[int, typer.Option(min=1, max=100, help="Number of runs of each mode.")]
Connections = Annotated[int, typer.Option(min=1, max=256, help="Concurrent connections to each instance.")]
Quick = Annotated[bool, typer.Option("--quick", help="Make one short run, to see that it works.")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML page with plots to this file.")]
Plots = Annotated[Path | None, typer.Option(help="Write the plots to this directory as SVG.")]


@app.command()
@report_errors
def compare(
    store: Store = "",
    sessions: Sessions = "",
    seconds: Seconds = 2.0,
    runs: Runs = 3,
    connections: Connections = 8,
    quick: Quick = False,
    report: Report = None,
    plots: Plots = None,
    as_json: Json = False,
) -> None:
    """Measure session, JWT and hybrid on your own store: bytes, CPU, latency, queries, revocation, a lost store."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from keyturn.issuer import DEFAULT_ISSUER
    from keyturn_lab.compare import report as compare_report
    from keyturn_lab.compare.measure import MODES, Plan, measure
    from keyturn_lab.compare.scratch import open_scratch_store

    ensure_writable([path for path in (report, plots and plots / "scaling.svg") if path])
    plan = Plan(0.4, 1, 4, 300) if quick else Plan(seconds, runs, connections)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        task = progress.add_task("measuring", total=1 + plan.runs * len(MODES))

        def tick(what: str) -> None:
            progress.update(task, advance=1, description=f"measured {what}")

        with open_scratch_store(store, sessions, DEFAULT_ISSUER) as scratch:
            results = measure(scratch, plan, tick)
            record = compare_report.record_of(results, plan, scratch.kind)
    if report is not None:
        write(report, compare_report.page_of(results, record).encode())
    for name, svg in compare_report.plots_of(results).items() if plots is not None else ():
        write(Path(plots or "") / f"{name}.svg", svg)
    if as_json:
        sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
        return
    table = Table(
        "", *(compare_report.NAMES[mode] for mode in MODES), title=f"on {record['store']}", title_justify="left"
    )
    for name, *cells in compare_report.rows_of(results):
        table.add_row(name, *(f"{value}\n[dim]{more}[/dim]" if more else value for value, more in cells))
    console.print(table)
    print_lines(
        [f"{record['machine']}; runs of {plan.seconds:g} s: {plan.runs}; medians, minimum to maximum below"], console
    )
