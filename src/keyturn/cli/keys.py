"""``keyturn keys``: the signing keys and their states."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from keyturn.cli.context import open_issuer
from keyturn.cli.former_commands import RenamedCommands
from keyturn.cli.output import DataDir, Json, print_result, print_table, report_errors
from keyturn.errors import NotFound

if TYPE_CHECKING:
    from keyturn.issuer import Issuer

KeyId = Annotated[str, typer.Argument(help="Id of the key, as 'keyturn keys list' shows it.")]

keys = typer.Typer(cls=RenamedCommands, no_args_is_help=True, help="List, add or remove signing keys.")


@keys.command("list")
@report_errors
def list_keys(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the published signing keys and their states."""
    with open_issuer(data_dir) as issuer:
        print_table(_rows(issuer), as_json, "Signing keys")


@keys.command("add")
@report_errors
def add(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Add the next signing key. It signs after key_publish_ahead_seconds; the very first key signs at once."""
    from keyturn.config.background import add_next_key
    from keyturn.flows import drive

    with open_issuer(data_dir, create_missing=True) as issuer:
        drive(add_next_key(issuer.parts), issuer.parts.ports)
        added = _rows(issuer)[-1]
        print_result(
            added, as_json, f"added key {added['kid']} ({added['algorithm']}); it signs from {added['active_at']}"
        )


@keys.command("remove")
@report_errors
def remove(kid: KeyId, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Delete a leaked signing key. Verifiers refuse its tokens as soon as they fetch the keys again."""
    with open_issuer(data_dir) as issuer:
        key_store = issuer.parts.store.keys
        if kid not in {each.kid for each in key_store.list()}:
            raise NotFound(f"no signing key {kid}")
        key_store.delete(kid)
        print_result({"removed": kid}, as_json, f"removed key {kid}")


def _rows(issuer: "Issuer") -> list[dict[str, object]]:
    components = issuer.parts
    states = components.keyring.states(components.now())
    return [
        {
            "kid": each.kid,
            "algorithm": each.algorithm,
            "state": states.get(each.serial, "dead"),
            "active_at": datetime.fromtimestamp(each.active_at, UTC).isoformat(),
        }
        for each in components.store.keys.list()
    ]
