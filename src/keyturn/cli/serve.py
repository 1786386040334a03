"""``keyturn serve``: the HTTP server."""

from functools import partial
from typing import Annotated

import typer

from keyturn.cli.output import DataDir, report_errors
from keyturn.errors import ConfigurationError

BindHost = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Number of worker processes.")]
Environment = Annotated[
    str | None, typer.Option(help="Environment to run in: development or production.", show_default="development")
]
FormerProfile = Annotated[str | None, typer.Option("--profile", hidden=True)]


@partial(report_errors, action="start as configured")
def serve(
    host: BindHost = "127.0.0.1",
    port: Port = 8000,
    data_dir: DataDir = None,
    workers: Workers = 1,
    environment: Environment = None,
    profile: FormerProfile = None,
) -> None:
    """Run the HTTP server. Read other settings from KEYTURN_... variables and keyturn.toml in the data directory."""
    from keyturn.cli.startup import run_server

    if profile is not None:
        raise ConfigurationError(
            f"--profile {profile} is now --environment {profile}; KEYTURN_PROFILE selects the policies"
        )
    run_server(host, port, data_dir, workers, environment)
