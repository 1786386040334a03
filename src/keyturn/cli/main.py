"""The ``keyturn`` command and its groups."""

from importlib.metadata import version
from typing import Annotated

import typer

from keyturn.cli.database import database
from keyturn.cli.doctor import doctor
from keyturn.cli.inspect import inspect
from keyturn.cli.keys import keys
from keyturn.cli.plugins import PluginGroup
from keyturn.cli.revoke import revoke_app
from keyturn.cli.serve import serve
from keyturn.cli.sessions import session_commands
from keyturn.cli.users import users

app = typer.Typer(
    cls=PluginGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, secrets among them
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"keyturn {version('keyturn')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
]


@app.callback()
def keyturn(is_requested: Version = False) -> None:
    """Run and operate Keyturn, an authentication server with sessions and access tokens."""


app.command()(serve)
app.command()(doctor)
app.command()(inspect)
app.add_typer(keys, name="keys")
app.add_typer(database, name="db")
app.add_typer(revoke_app, name="revoke")
app.add_typer(users, name="users")
app.add_typer(session_commands, name="sessions")
