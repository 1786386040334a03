"""``keyturn serve``: the HTTP API."""

from functools import partial
from typing import Annotated

import typer

from keyturn.cli.speak import Data, report_errors

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes to serve with.")]
Profile = Annotated[str | None, typer.Option(help="development or production.")]


@partial(report_errors, what="start as configured")
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    data: Data = None,
    workers: Workers = 1,
    profile: Profile = None,
) -> None:
    """Serve the HTTP API. Further settings come from KEYTURN_... variables and keyturn.toml in the data folder."""
    from keyturn.cli.startup import run_server

    run_server(host, port, data, workers, profile)
