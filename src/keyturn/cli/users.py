"""``keyturn users``: look up, disable and enable accounts, their scopes, and Keyturn's administrators."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from keyturn.cli.accounts import require_account, select_accounts
from keyturn.cli.context import open_issuer
from keyturn.cli.output import DataDir, Json, print_result, print_table, report_errors
from keyturn.cli.revoke import TAKES_ID, SubjectOrEmail
from keyturn.core.types import Subject

if TYPE_CHECKING:
    from keyturn.core.account import Account
    from keyturn.flows import AccountSummary

users = typer.Typer(
    callback=select_accounts,
    no_args_is_help=True,
    help="Look up accounts, disable or enable them, and set their scopes.",
)

Scopes = Annotated[
    list[str] | None, typer.Argument(help="All scopes of the account, as one text or several. None: it gets none.")
]
After = Annotated[str, typer.Option("--after", help="Subject of the last account of the page before.")]
Limit = Annotated[int, typer.Option("--limit", help="Number of accounts on the page: 1 to 1000.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take the right away.")]


@users.command("list")
@report_errors
def show_all(after: After = "", limit: Limit = 100, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List accounts in the order of their subjects, a page at a time."""
    from keyturn.flows import drive, list_accounts

    with open_issuer(data_dir) as issuer:
        # Keyturn's own records, also of the accounts of an application: only that has a list of all of its accounts.
        found = drive(list_accounts(Subject(after), limit), issuer.parts.sync_ports)
    print_table([_row(each) for each in found], as_json, "Accounts")


@users.command("show", context_settings=TAKES_ID)
@report_errors
def show(subject_or_email: SubjectOrEmail, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show an account: its subject, e-mail address, state, scopes and number of live sessions."""
    with open_issuer(data_dir) as issuer:
        account = require_account(issuer, subject_or_email)
        row = {**_row(account), "sessions": len(issuer.sessions(account.subject))}
    if as_json:
        print_result(row, as_json, "")
    else:
        print_table([{"field": name, "value": value} for name, value in row.items()], as_json, "Account")


@users.command("disable", context_settings=TAKES_ID)
@report_errors
def disable(subject_or_email: SubjectOrEmail, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Disable an account and end its sessions. It cannot log in until it is enabled."""
    _set_disabled(subject_or_email, True, data_dir, as_json)


@users.command("enable", context_settings=TAKES_ID)
@report_errors
def enable(subject_or_email: SubjectOrEmail, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Enable an account. It has to log in again: no earlier session or token comes back."""
    _set_disabled(subject_or_email, False, data_dir, as_json)


@users.command("scopes", context_settings=TAKES_ID)
@report_errors
def set_scopes(
    subject_or_email: SubjectOrEmail, scopes: Scopes = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """Replace the scopes that logins of an account get. If one is taken away, its sessions end."""
    with open_issuer(data_dir) as issuer:
        account = require_account(issuer, subject_or_email)
        issuer.set_scope(account.subject, " ".join(scopes or ()))
        changed = issuer.account(account.subject)
    names = changed.scope or "no scopes"
    print_result(_row(changed), as_json, f"logins of {changed.identifier} get {names}, from the next one on")


@users.command("admin", context_settings=TAKES_ID)
@report_errors
def set_administrator(
    subject_or_email: SubjectOrEmail, remove: Remove = False, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """Allow an account to administer Keyturn over HTTP. No scope and no sign-up gives this right."""
    from keyturn.flows import drive
    from keyturn.flows.accounts import set_admin

    with open_issuer(data_dir) as issuer:
        account, parts = require_account(issuer, subject_or_email), issuer.parts
        drive(set_admin(account.subject, not remove, *parts.present()), parts.ports)
        changed = issuer.account(account.subject)
    verb = "is no longer" if remove else "is now"
    print_result(_row(changed), as_json, f"{changed.identifier} {verb} an administrator of Keyturn")


def _set_disabled(subject_or_email: str, disabled: bool, data_dir: str | None, as_json: bool) -> None:
    with open_issuer(data_dir) as issuer:
        account = require_account(issuer, subject_or_email)
        receipt = issuer.set_disabled(account.subject, disabled)
    state = "disabled" if disabled else "enabled"
    fields = {"subject": account.subject, "disabled": disabled, **asdict(receipt)}
    end = f"its sessions and tokens end everywhere within {receipt.within_seconds} s"
    print_result(fields, as_json, f"{state} {account.identifier}; {end}")


def _row(account: "Account | AccountSummary") -> dict[str, object]:
    return {
        "subject": account.subject,
        "identifier": account.identifier,
        "created_at": datetime.fromtimestamp(account.created_at, UTC).isoformat(),
        "disabled": account.disabled,
        "scope": account.scope,
        "is_admin": account.is_admin,
    }
