"""``keyturn capacity``: what a fleet needs, which limit breaks first, and what a simulation says of it."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from keyturn.cli.files import ensure_writable
from keyturn.cli.output import Json, report_errors
from keyturn.errors import ConfigurationError
from keyturn_lab.capacity.demand import CARRIERS, STORES, typical

app = typer.Typer(add_completion=False)

Word = TypeVar("Word", bound=str)

Rate = Annotated[float | None, typer.Option(help="At the busiest hour; from the sessions unless told.", min=0)]
Whole = Annotated[int, typer.Option(min=1)]


@app.command()
@report_errors
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
    from keyturn_lab.cli.sizing import print_study, solve

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
    ensure_writable([report] if report else [])
    print_study(solve(demand, nodes, seed, simulated_seconds, measured), report, as_json)


def _chosen(word: str, words: tuple[Word, ...], option: str) -> Word:
    for each in words:
        if each == word:
            return each
    raise ConfigurationError(f"--{option} must be one of {', '.join(words)}, not {word!r}")
