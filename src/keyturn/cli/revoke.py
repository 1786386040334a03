"""``keyturn revoke``: revocation of sessions by an operator."""

from typing import TYPE_CHECKING, Annotated

import typer

from keyturn.cli.accounts import require_account, select_accounts
from keyturn.cli.context import open_issuer
from keyturn.cli.former_commands import RenamedCommands
from keyturn.cli.output import DataDir, Json, Yes, print_result, report_errors
from keyturn.core.types import SessionId

if TYPE_CHECKING:
    from keyturn.flows import RevocationReceipt

revoke_app = typer.Typer(
    cls=RenamedCommands,
    callback=select_accounts,
    no_args_is_help=True,
    help="End one session, those of a subject or a client, or all.",
)

# Ids are base64url, so one in 64 begins with "-". Accept it as an argument: an operator need not write "--" first.
TAKES_ID = {"ignore_unknown_options": True}

Sid = Annotated[str, typer.Argument(help="Id of the session, as in /auth/sessions and in the log.")]
SubjectOrEmail = Annotated[str, typer.Argument(help="Subject of the account, or its e-mail address or user name.")]
ClientId = Annotated[str, typer.Argument(help="The client_id that the sessions were created with, such as 'default'.")]


@revoke_app.command("session", context_settings=TAKES_ID)
@report_errors
def end_one_session(sid: Sid, data_dir: DataDir = None, as_json: Json = False) -> None:
    """End one session."""
    with open_issuer(data_dir) as issuer:
        _print_receipt(issuer.logout(SessionId(sid)), as_json)


@revoke_app.command("subject", context_settings=TAKES_ID)
@report_errors
def end_sessions_of_subject(subject_or_email: SubjectOrEmail, data_dir: DataDir = None, as_json: Json = False) -> None:
    """End every session of a subject, given by its id or the e-mail address of its account."""
    with open_issuer(data_dir) as issuer:
        subject_id = require_account(issuer, subject_or_email).subject
        count = len(issuer.sessions(subject_id))
        _print_receipt(
            issuer.revoke_subject(subject_id), as_json, f"{count} live {'session' if count == 1 else 'sessions'}"
        )


@revoke_app.command("client", context_settings=TAKES_ID)
@report_errors
def end_sessions_of_client(client_id: ClientId, data_dir: DataDir = None, as_json: Json = False) -> None:
    """End every session of a client."""
    with open_issuer(data_dir) as issuer:
        _print_receipt(issuer.revoke_client(client_id), as_json)


@revoke_app.command("all")
@report_errors
def end_all_sessions(data_dir: DataDir = None, as_json: Json = False, yes: Yes = False) -> None:
    """End every session of every subject."""
    if not yes:
        typer.confirm("This logs out every user. Continue?", abort=True)
    with open_issuer(data_dir) as issuer:
        receipt = issuer.revoke_everything()
        # Revoked first: between both steps, no session of a restored database is served.
        if (resume := getattr(issuer.parts.sync_store, "resume_sessions", None)) is not None:
            resume()
        _print_receipt(receipt, as_json)


def _print_receipt(receipt: "RevocationReceipt", as_json: bool, scope: str = "") -> None:
    fields: dict[str, object] = {
        "revoked": True,
        "sequence": receipt.sequence,
        "within_seconds": receipt.within_seconds,
    }
    sentence = f"revoked {scope}".rstrip()
    print_result(fields, as_json, f"{sentence}; effective everywhere within {receipt.within_seconds} s")
