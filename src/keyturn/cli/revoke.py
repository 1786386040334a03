"""``keyturn revoke``: end sessions from the operator's chair."""

from typing import Annotated

import typer

from keyturn.cli.desk import operator
from keyturn.cli.speak import Data, Json, complaining, say
from keyturn.core.instant import SessionId, Subject
from keyturn.flows import Revoked

revoke = typer.Typer(no_args_is_help=True, help="End sessions: one, a subject's, a client's, or all there are.")

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@revoke.command()
@complaining
def session(sid: str, data: Data = None, as_json: Json = False) -> None:
    """End one session."""
    with operator(data) as issuer:
        _tell(issuer.logout(SessionId(sid)), as_json)


@revoke.command()
@complaining
def subject(sub: str, data: Data = None, as_json: Json = False) -> None:
    """End every session of a subject."""
    with operator(data) as issuer:
        _tell(issuer.revoke_subject(Subject(sub)), as_json)


@revoke.command()
@complaining
def client(client_id: str, data: Data = None, as_json: Json = False) -> None:
    """End every session of a client."""
    with operator(data) as issuer:
        _tell(issuer.revoke_client(client_id), as_json)


@revoke.command()
@complaining
def everything(data: Data = None, as_json: Json = False, yes: Yes = False) -> None:
    """End every session there is."""
    if not yes:
        typer.confirm("This logs everybody out. Go on?", abort=True)
    with operator(data) as issuer:
        _tell(issuer.revoke_everything(), as_json)


def _tell(revoked: Revoked, as_json: bool) -> None:
    facts: dict[str, object] = {
        "revoked": True,
        "sequence": revoked.sequence,
        "within_seconds": revoked.within_seconds,
    }
    say(facts, as_json, f"revoked; the last copy stops working within {revoked.within_seconds} s")
