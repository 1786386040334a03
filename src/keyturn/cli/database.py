"""``keyturn db``: the SQL database, its schema, and what becomes of it in a move or a restore."""

import secrets
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from keyturn.cli.desk import furnished
from keyturn.cli.speak import Data, Json, complaining, complaints, say
from keyturn.errors import ConfigurationError
from keyturn.ports import LOG_BITS
from keyturn.stores.opening import open_store
from keyturn.stores.sql.copying import Copied, copy_database
from keyturn.stores.sql.store import SqlStore

database = typer.Typer(no_args_is_help=True, help="The SQL database: its schema, a move to another one, a restore.")

Source = Annotated[str | None, typer.Option("--from", help="Where everything is now; the settings' store unless told.")]
Target = Annotated[str, typer.Option("--to", help="An empty database, or one that this copy was begun to.")]


@database.command()
@complaining
def upgrade(data: Data = None, as_json: Json = False) -> None:
    """Bring the schema to this version. Serving does it too; safe to run while servers start."""
    store = open_store(furnished(data).store)
    try:
        say({"upgraded": True, "store": repr(store)}, as_json, "the schema is up to date")
    finally:
        store.close()


@database.command()
@complaining
def copy(to: Target, source: Source = None, data: Data = None, as_json: Json = False) -> None:
    """Move to another database with live sessions. Run it while servers run, then once more when they are stopped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=complaints, transient=True) as progress:
        task = progress.add_task("copying")

        def told(table: str, done: int, total: int) -> None:
            progress.update(task, description=table, completed=done, total=total)

        copied = copy_database(source or furnished(data).store, to, told)
    say(
        {"finished": copied.finished, "changed": copied.changed, "rows": copied.rows},
        as_json,
        _sentence(copied),
    )
    if not copied.finished:
        raise typer.Exit(1)


@database.command()
@complaining
def restored(data: Data = None, as_json: Json = False) -> None:
    """Say that the database was put back from a backup: followers take a snapshot, and forget nothing over it."""
    store = open_store(furnished(data).store)
    try:
        if not isinstance(store, SqlStore):
            raise ConfigurationError("store: there is no database that could have been restored")
        store.renumber(secrets.randbits(LOG_BITS))
        say({"restored": True, "store": repr(store)}, as_json, "the revocation log has another number from now on")
    finally:
        store.close()


def _sentence(copied: Copied) -> str:
    rows = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in copied.rows.items())
    if copied.finished:
        return f"moved: {rows}. Both sides were compared. Serve from the new database; the old one is closed."
    return (
        f"copied so far: {rows}. The old database is still in use: stop what uses it and run the same command again; "
        "it copies only what has changed."
    )
