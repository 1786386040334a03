"""``keyturn db``: schema upgrades, copies and restores of the SQL database."""

from typing import TYPE_CHECKING, Annotated

import typer

from keyturn.cli.context import load_settings, open_issuer
from keyturn.cli.former_commands import RenamedCommands
from keyturn.cli.output import DataDir, Json, Yes, print_result, report_errors, stderr
from keyturn.errors import ConfigurationError

if TYPE_CHECKING:
    from keyturn.stores.sql.store import SqlStore
    from keyturn.stores.sql.transfer import TransferResult

database = typer.Typer(
    cls=RenamedCommands,
    no_args_is_help=True,
    help="Upgrade or copy the SQL database, mark it as restored, or choose where sessions are kept.",
)

Source = Annotated[
    str | None,
    typer.Option("--from", help="URL of the database to copy from.", show_default="the configured store"),
]
Target = Annotated[str, typer.Option("--to", help="URL of an empty database, or of an unfinished copy.")]


@database.command("upgrade")
@report_errors
def upgrade_schema(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Upgrade the schema to this version. The server also does this at its start; both may run at the same time."""
    store = _open_database(data_dir, create_missing=True)
    try:
        print_result({"upgraded": True, "store": repr(store)}, as_json, "the schema is up to date")
    finally:
        store.close()


@database.command()
@report_errors
def copy(to: Target, source: Source = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Copy everything to another database. Run it while servers run, and again after stopping them to finish."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from keyturn.stores.sql.transfer import copy_database

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        task = progress.add_task("copying")

        def report_progress(table: str, completed: int, total: int) -> None:
            progress.update(task, description=table, completed=completed, total=total)

        result = copy_database(source or load_settings(data_dir).store, to, report_progress)
    print_result(
        {"finished": result.finished, "changed": result.changed, "rows": result.rows},
        as_json,
        _sentence(result),
    )
    if not result.finished:
        raise typer.Exit(1)


@database.command("mark-restored")
@report_errors
def mark_restored(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Mark the database as restored from a backup. Verifiers read the log again and keep the revocations they hold."""
    store = _open_database(data_dir)
    try:
        store.renew_log_id()
        print_result(
            {"restored": True, "store": repr(store)}, as_json, "marked as restored: the revocation log has a new id"
        )
    finally:
        store.close()


@database.command("confirm-restored")
@report_errors
def confirm_restored(yes: Yes = False, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Confirm that a restored database has lost no revocation, and serve its sessions again."""
    if not yes:
        typer.confirm("Sessions that were ended after the backup become valid again. Continue?", abort=True)
    store = _open_database(data_dir)
    try:
        is_resumed = store.resume_sessions()
    finally:
        store.close()
    sentence = "the sessions of the backup are served again" if is_resumed else "no sessions are suspended"
    print_result({"resumed": is_resumed}, as_json, sentence)


@database.command("use-sql-sessions")
@report_errors
def use_sql_sessions(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Keep sessions in this database instead of Redis. Revokes every session and token."""
    from keyturn.stores.sql.markers import clear_redis_marker

    if load_settings(data_dir).session_store:
        raise ConfigurationError(
            "session_store: KEYTURN_SESSION_STORE is set; unset it to keep sessions in the SQL database"
        )
    store = _open_database(data_dir)
    try:
        clear_redis_marker(store.engine)
    finally:
        store.close()
    with open_issuer(data_dir) as issuer:
        issuer.revoke_everything()
    print_result({"session_store": "sql"}, as_json, "sessions are kept in this database; all users must log in again")


@database.command("reset-redis-sessions")
@report_errors
def reset_redis_sessions(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Continue with an emptied Redis session store. Revokes every session and token: revocations are lost, too."""
    from keyturn.stores.open import RedisSessions, bind_redis

    settings = load_settings(data_dir)
    if not settings.session_store:
        raise ConfigurationError("session_store: KEYTURN_SESSION_STORE is not set; set it to the Redis URL")
    bind_redis(settings.store, RedisSessions(settings.session_store, settings.redis_min_replicas))
    with open_issuer(data_dir) as issuer:
        issuer.revoke_everything()
    print_result({"session_store": "redis"}, as_json, "sessions are kept in this Redis; all users must log in again")


def _open_database(data_dir: str | None, *, create_missing: bool = False) -> "SqlStore":
    """Open the database without checking that it may be served from."""
    from keyturn.stores.open import MEMORY
    from keyturn.stores.sql.store import SqlStore

    url = load_settings(data_dir, create_missing=create_missing).store
    if url == MEMORY:
        raise ConfigurationError("store: memory: has no database; set KEYTURN_STORE to a database URL")
    return SqlStore(url, serving=False)


def _sentence(result: "TransferResult") -> str:
    rows = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in result.rows.items())
    if result.finished:
        return f"copied and compared: {rows}. Start the servers on the new database; the old one is closed."
    return (
        f"copied so far: {rows}. The old database is still in use: stop its servers and run the same command again, "
        "which copies only what has changed."
    )
