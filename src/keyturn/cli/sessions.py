"""``keyturn sessions``: the live sessions of a subject."""

from dataclasses import asdict

import typer

from keyturn.cli.context import open_issuer, require_account
from keyturn.cli.output import DataDir, Json, print_table, report_errors
from keyturn.cli.revoke import TAKES_ID, SubjectOrEmail, end_one_session

session_commands = typer.Typer(no_args_is_help=True, help="List the sessions of a subject, or end one.")


@session_commands.command("list", context_settings=TAKES_ID)
@report_errors
def show_sessions(subject_or_email: SubjectOrEmail, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the live sessions of a subject, newest first. No credential is shown."""
    with open_issuer(data_dir) as issuer:
        found = issuer.sessions(require_account(issuer, subject_or_email).subject)
    print_table([asdict(each) for each in found], as_json, "Live sessions")


session_commands.command("revoke", context_settings=TAKES_ID)(end_one_session)
