"""Accounts that commands name: those of Keyturn, or those of an application by ``--accounts``."""

import sys
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keyturn.cli.output import report_errors
from keyturn.core.types import Subject
from keyturn.errors import ConfigurationError, InvalidMember, NotFound

if TYPE_CHECKING:
    from keyturn.core.account import Account
    from keyturn.issuer import Issuer


class AccountKey(StrEnum):
    """Meaning of the name of an account."""

    SUBJECT = "subject"
    IDENTIFIER = "identifier"


@dataclass(frozen=True, slots=True)
class AccountSelection:
    """Accounts of the commands of a group. ``accounts``: those of an application; None for Keyturn's own.

    ``key``: meaning of the name of an account; None for either.
    """

    accounts: object = None
    key: AccountKey | None = None


_selection: ContextVar[AccountSelection | None] = ContextVar("keyturn_accounts", default=None)

OwnAccounts = Annotated[
    str,
    typer.Option("--accounts", metavar="MODULE:NAME", help="Accounts of the application, as `Issuer` takes them."),
]
NamedBy = Annotated[
    AccountKey | None, typer.Option("--by", help="Take the name of an account as this only. [default: as either]")
]


@report_errors
def select_accounts(context: typer.Context, accounts: OwnAccounts = "", by: NamedBy = None) -> None:
    """Keep the options until the command has ended. A program may select accounts by ``obj`` of ``app``."""
    given = context.find_object(AccountSelection) or AccountSelection()
    selection = AccountSelection(_import_accounts(accounts) if accounts else given.accounts, by)
    token = _selection.set(selection)
    context.call_on_close(lambda: _selection.reset(token))


def selected_accounts() -> AccountSelection:
    """Return the accounts of the command that runs."""
    return _selection.get() or AccountSelection()


def require_account(issuer: "Issuer", name: str) -> "Account":
    """Return the account with this subject or identifier. Raises ``NotFound``, also if two accounts are meant.

    A misspelt name must not be reported as revoked or disabled: during a leak the operator would rely on it.
    """
    key = selected_accounts().key
    found = {each.subject: each for each in (_load(issuer, name, key), _find(issuer, name, key)) if each is not None}
    if not found:
        raise NotFound(f"no account has the subject or identifier {name}")
    if len(found) > 1:
        # A user may choose the subject of another account as the own user name.
        raise NotFound(f"{name} is the subject of one account and the identifier of another; say which with --by")
    return next(iter(found.values()))


def _load(issuer: "Issuer", name: str, key: AccountKey | None) -> "Account | None":
    if key is AccountKey.IDENTIFIER:
        return None
    return issuer.parts.ports.accounts.load(Subject(name))


def _find(issuer: "Issuer", name: str, key: AccountKey | None) -> "Account | None":
    if key is AccountKey.SUBJECT:
        return None
    try:
        identifier = issuer.config.normalise_identifier(name)
    except InvalidMember:
        return None
    return issuer.parts.ports.accounts.find(identifier)


def _import_accounts(text: str) -> object:
    module, _, name = text.partition(":")
    sys.path.insert(0, str(Path.cwd()))  # as for `python -m`: the application is where the command is called
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"--accounts must be MODULE:NAME, such as shop.users:Customers: {error}") from error
