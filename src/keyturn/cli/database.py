"""``keyturn db``: the SQL schema."""

import typer

from keyturn.cli.desk import furnished
from keyturn.cli.speak import Data, Json, complaining, say
from keyturn.stores.opening import open_store

database = typer.Typer(no_args_is_help=True, help="The SQL schema.")


@database.command()
@complaining
def upgrade(data: Data = None, as_json: Json = False) -> None:
    """Bring the schema to this version. Serving does it too; safe to run while servers start."""
    store = open_store(furnished(data).store)
    try:
        say({"upgraded": True, "store": repr(store)}, as_json, "the schema is up to date")
    finally:
        store.close()
