"""``keyturn sessions``: the live sessions of a subject."""

from dataclasses import asdict
from typing import Annotated

import typer

from keyturn.cli.accounts import require_account, select_accounts
from keyturn.cli.context import open_issuer
from keyturn.cli.output import DataDir, Json, print_table, report_errors
from keyturn.cli.revoke import TAKES_ID, SubjectOrEmail, end_one_session

session_commands = typer.Typer(
    callback=select_accounts, no_args_is_help=True, help="List the sessions of a subject, or end one."
)

SessionsAfter = Annotated[str, typer.Option("--after", help="Cursor of the last session of the page before.")]
SessionsLimit = Annotated[int, typer.Option("--limit", help="Number of sessions on the page: 1 to 1000.")]


@session_commands.command("list", context_settings=TAKES_ID)
@report_errors
def show_sessions(
    subject_or_email: SubjectOrEmail,
    after: SessionsAfter = "",
    limit: SessionsLimit = 1000,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the live sessions of a subject, newest first, a page at a time. No credential is shown."""
    with open_issuer(data_dir) as issuer:
        subject = require_account(issuer, subject_or_email).subject
        found = issuer.sessions(subject, after=after, limit=limit)
    print_table([{**asdict(each), "cursor": each.cursor} for each in found], as_json, "Live sessions")


session_commands.command("revoke", context_settings=TAKES_ID)(end_one_session)
