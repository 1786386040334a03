"""Output of commands: tables and sentences, or JSON with ``--json``. Problems go to standard error."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from keyturn.cli.extras import missing_extra
from keyturn.core.types import P, T
from keyturn.errors import ConfigurationError, Refusal

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
DataDir = Annotated[
    str | None,
    typer.Option(help="Directory with the secrets, the SQLite database and keyturn.toml.", show_default="keyturn-data"),
]

console = Console()
stderr = Console(stderr=True)


def print_table(rows: Sequence[Mapping[str, object]], as_json: bool, title: str = "") -> None:
    """Print rows with the same keys as a table or as a JSON list."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
        return
    table = Table(title=title or None)
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table if rows else "nothing to show")


def print_result(fields: Mapping[str, object], as_json: bool, sentence: str) -> None:
    """Print a result as a sentence or as a JSON object."""
    sys.stdout.write(msgspec.json.encode(fields).decode() + "\n" if as_json else sentence + "\n")


def print_lines(lines: Sequence[str], to: Console) -> None:
    """Print lines literally: without markup, highlighting or wrapping."""
    for line in lines:
        to.print(line, markup=False, highlight=False, soft_wrap=True)


def report_errors(command: Callable[P, T], action: str = "do this") -> Callable[P, T]:
    """Wrap a command to print its errors and exit with code 2. ``action``: completes "Keyturn cannot ...".

    Commands import packages on use: for a package that is not installed, print the extras to install.
    """

    @wraps(command)
    def wrapper(*arguments: P.args, **keywords: P.kwargs) -> T:
        try:
            return command(*arguments, **keywords)
        except ConfigurationError as error:
            stderr.print(f"[bold]Keyturn cannot {action}:[/bold]")
            print_lines([f"  - {problem}" for problem in error.problems], stderr)
            stderr.print("docs/reference/settings.md describes every setting.", highlight=False)
        except Refusal as refusal:
            # The detail is for operators; the hint is for HTTP clients.
            print_lines([f"{refusal.code}: {refusal.detail or refusal.hint}"], stderr)
        except ModuleNotFoundError as missing:
            raise missing_extra(missing) from None
        raise typer.Exit(2)

    return wrapper
