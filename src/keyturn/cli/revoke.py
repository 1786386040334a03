"""``keyturn revoke``: revocation of sessions by an operator."""

from typing import TYPE_CHECKING, Annotated

import typer

from keyturn.cli.context import open_issuer
from keyturn.cli.former import RenamedCommands
from keyturn.cli.output import DataDir, Json, print_result, report_errors
from keyturn.core.account import normalise_identifier
from keyturn.core.types import SessionId, Subject
from keyturn.errors import NotFound

if TYPE_CHECKING:
    from keyturn.flows import RevocationReceipt
    from keyturn.issuer import Issuer

revoke = typer.Typer(
    cls=RenamedCommands, no_args_is_help=True, help="End sessions: one, a subject's, a client's, or all there are."
)

# Ids are base64url, so one in 64 begins with "-". Accept it as an argument: an operator need not write "--" first.
TAKES_ID = {"ignore_unknown_options": True}

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@revoke.command(context_settings=TAKES_ID)
@report_errors
def session(sid: str, data_dir: DataDir = None, as_json: Json = False) -> None:
    """End one session."""
    with open_issuer(data_dir) as issuer:
        _tell(issuer.logout(SessionId(sid)), as_json)


@revoke.command(context_settings=TAKES_ID)
@report_errors
def subject(who: str, data_dir: DataDir = None, as_json: Json = False) -> None:
    """End every session of a subject, named by its id or by the e-mail address of its account."""
    with open_issuer(data_dir) as issuer:
        known = _subject(issuer, who)
        live = len(issuer.sessions(known))
        _tell(issuer.revoke_subject(known), as_json, f"{live} live {'session' if live == 1 else 'sessions'}")


@revoke.command(context_settings=TAKES_ID)
@report_errors
def client(client_id: str, data_dir: DataDir = None, as_json: Json = False) -> None:
    """End every session of a client."""
    with open_issuer(data_dir) as issuer:
        _tell(issuer.revoke_client(client_id), as_json)


@revoke.command("all")
@report_errors
def revoke_all(data_dir: DataDir = None, as_json: Json = False, yes: Yes = False) -> None:
    """End every session there is."""
    if not yes:
        typer.confirm("This logs everybody out. Go on?", abort=True)
    with open_issuer(data_dir) as issuer:
        _tell(issuer.revoke_everything(), as_json)


def _subject(issuer: "Issuer", who: str) -> Subject:
    # A misspelt name must not be reported as revoked: during a leak the operator would rely on it.
    accounts = issuer.parts.sync_store.accounts
    account = accounts.find(normalise_identifier(who)) if "@" in who else accounts.load(Subject(who))
    if account is None:
        raise NotFound(f"no account has the subject or address {who}")
    subject: Subject = account.subject
    return subject


def _tell(revoked: "RevocationReceipt", as_json: bool, met: str = "") -> None:
    facts: dict[str, object] = {
        "revoked": True,
        "sequence": revoked.sequence,
        "within_seconds": revoked.within_seconds,
    }
    done = f"revoked {met}".rstrip()
    print_result(facts, as_json, f"{done}; the last copy stops working within {revoked.within_seconds} s")
