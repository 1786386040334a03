"""``keyturn db``: the SQL schema."""

import typer

from keyturn.cli.speak import Data, Json, complaining, say
from keyturn.compose.home import complete_settings
from keyturn.compose.settings import read_settings
from keyturn.issuer import DEFAULT_ISSUER
from keyturn.stores.opening import open_store

database = typer.Typer(no_args_is_help=True, help="The SQL schema.")


@database.command()
@complaining
def upgrade(data: Data = None, as_json: Json = False) -> None:
    """Bring the schema to this version. Serving does it too; safe to run while servers start."""
    store = open_store(complete_settings(read_settings(data=data), DEFAULT_ISSUER).settings.store)
    try:
        say({"upgraded": True, "store": repr(store)}, as_json, f"{store!r} is up to date")
    finally:
        store.close()
