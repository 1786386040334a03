"""``keyturn capacity``: capacity planning with formulas and a simulation."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from keyturn.cli.files import ensure_writable
from keyturn.cli.output import Json, report_errors
from keyturn.errors import ConfigurationError
from keyturn_lab.capacity.demand import STORES, TRANSPORTS, typical_demand

app = typer.Typer(add_completion=False)

Choice = TypeVar("Choice", bound=str)

FROM_SESSIONS = "derived from the sessions"
Rate = Annotated[float | None, typer.Option(help="Rate at the busiest hour.", min=0, show_default=FROM_SESSIONS)]


@app.command()
@report_errors
def capacity(
    sessions: Annotated[float, typer.Option(min=0, help="Number of active sessions.")] = 1e6,
    subjects: Annotated[
        float | None, typer.Option(min=0, help="Number of subjects.", show_default="half of the sessions")
    ] = None,
    verifiers: Annotated[int, typer.Option(min=1, help="Services that follow the feed.")] = 100,
    issuers: Annotated[int, typer.Option(min=1, help="Issuer machines with four workers each.")] = 2,
    logins_per_second: Rate = None,
    refreshes_per_second: Rate = None,
    checks_per_second: Rate = None,
    revocations_per_second: Rate = None,
    access_seconds: Annotated[int, typer.Option(help="Lifetime of an access token.")] = 600,
    staleness_seconds: Annotated[int, typer.Option(help="Staleness bound.")] = 5,
    transport: Annotated[
        str, typer.Option(help="Transport of the feed: sqlite, postgresql, redis, sse or http.")
    ] = "sse",
    store: Annotated[
        str | None,
        typer.Option(
            help="Session store: sqlite, postgresql or redis.", show_default="that of the transport, or postgresql"
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Redis nodes that share the sessions.")] = 1,
    simulated_seconds: Annotated[
        float | None,
        typer.Option(min=1, max=3600, help="Time to simulate.", show_default="some seconds of one core"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulation; the same seed gives the same result.")] = 1,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Measure the costs on this machine first.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page with plots to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Compute what a deployment needs, which limit is reached first and what to do. Open no store or connection."""
    from keyturn_lab.cli.sizing import print_study, solve

    session_store = store or (transport if transport in ("sqlite", "postgresql", "redis") else "postgresql")
    demand = typical_demand(
        sessions,
        verifiers,
        issuers,
        access_seconds=access_seconds,
        staleness_seconds=staleness_seconds,
        transport=_require_choice(transport, TRANSPORTS, "transport"),
        store=_require_choice(session_store, STORES, "store"),
    )
    overrides = {
        "subjects": subjects,
        "logins_per_second": logins_per_second,
        "refreshes_per_second": refreshes_per_second,
        "checks_per_second": checks_per_second,
        "revocations_per_second": revocations_per_second,
    }
    demand = replace(demand, **{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]  # floats, by name
    ensure_writable([report] if report else [])
    print_study(solve(demand, nodes, seed, simulated_seconds, calibrate), report, as_json)


def _require_choice(value: str, choices: tuple[Choice, ...], option: str) -> Choice:
    for each in choices:
        if each == value:
            return each
    raise ConfigurationError(f"--{option} must be one of {', '.join(choices)}, not {value!r}")
