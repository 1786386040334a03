"""The narrow port: what an application implements so that its own accounts can log in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from uuid import UUID

from keyturn.core.types import MAX_NAME_LENGTH
from keyturn.errors import StoreUnavailable

SubjectValue = int | str | UUID
"""Key of an account in the application. Tokens carry its text."""

MAX_HASH_OCTETS = 4096
"""Longest password hash that is read. No format has more than 512 octets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An account, as far as a login needs it.

    ``subject``: its key; never a bool, a float or None. ``password_hash``: in any format that Keyturn verifies, or None
    for an account without a password. ``active``: False ends its sessions and refuses logins.
    ``identifier``: its e-mail address or user name, so that a new password is not built on it.
    ``scope``: scopes that a login gets at most, separated by spaces.
    ``created_at``: the time or number of its creation, which never changes and no later account of the same key has.
    Without it, a reused key is recognised by another hash or, without a password, by another identifier only.
    """

    subject: SubjectValue
    password_hash: str | None = field(repr=False)
    active: bool = True
    identifier: str = ""
    scope: str = ""
    created_at: date | float | str | None = None


class Accounts(Protocol):
    """Accounts of an application. Every method may be a coroutine function, for an ``AsyncIssuer``.

    Optional attributes: ``create`` (see ``NewAccounts``); ``user(subject)``, the application's own object;
    ``normalise(text)``, which returns the spelling of an identifier that ``find`` expects (default: an e-mail address);
    ``subject_type``, ``int`` or ``UUID``, into which a subject is converted before a call (default ``str``);
    ``password_encoding``, ``"phc"`` or ``"django"``; ``password_hashes(limit)``, a sample of stored hashes.
    """

    def find(self, identifier: str) -> Login | None:
        """Return the account with this identifier, or None."""
        ...

    def load(self, subject: SubjectValue) -> Login | None:
        """Return the account with this key, or None. Read it from the primary database."""
        ...

    def set_password(self, subject: SubjectValue, new: str, expected: str) -> bool:
        """Store the hash ``new`` if the stored one is ``expected``: one UPDATE with both in its WHERE, committed.

        Return True if it was stored. Of racing calls, one returns True.
        """
        ...


class NewAccounts(Accounts, Protocol):
    """Accounts that sign-up may create. Without ``create``, sign-up is refused."""

    def create(self, identifier: str, password_hash: str) -> SubjectValue | None:
        """Store a new account and return its key; None if the identifier is taken."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFunctions:
    """``Accounts`` made of functions instead of methods."""

    find: Callable[[str], Any]
    load: Callable[[Any], Any]
    set_password: Callable[[Any, str, str], Any]
    create: Callable[[str, str], Any] | None = None
    user: Callable[[Any], Any] | None = None
    normalise: Callable[[str], str] | None = None
    subject_type: Callable[[str], Any] = str
    password_encoding: str = "phc"  # noqa: S105 - the name of an encoding
    password_hashes: Callable[[int], Any] | None = None


def subject_text(value: object) -> str:
    """Return the text of a subject. Raises ``StoreUnavailable`` for any other type, and for no or too long text."""
    # bool is an int: True would be subject 1. A float changes its text between systems; None is every missing key.
    if isinstance(value, bool) or not isinstance(value, SubjectValue):
        raise StoreUnavailable(f"a subject of the accounts must be int, str or UUID, not {type(value).__name__}")
    text = str(value)
    if not 0 < len(text) <= MAX_NAME_LENGTH or not text.isprintable():
        raise StoreUnavailable(f"a subject of the accounts must have 1 to {MAX_NAME_LENGTH} printable characters")
    return text


def read_login(value: object) -> Login | None:
    """Check an answer of ``find`` or ``load``. Raises ``StoreUnavailable`` for anything but a ``Login`` or None."""
    if value is None:
        return None
    if not isinstance(value, Login):
        raise StoreUnavailable(f"the accounts answered {type(value).__name__}, not a Login or None")
    subject_text(value.subject)
    encoded = value.password_hash
    if encoded is not None and not isinstance(encoded, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise StoreUnavailable(f"password_hash of a Login must be str or None, not {type(encoded).__name__}")
    if len(encoded or "") > MAX_HASH_OCTETS:
        raise StoreUnavailable(f"password_hash of a Login has more than {MAX_HASH_OCTETS} characters")
    if not isinstance(value.created_at, date | float | int | str | None):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise StoreUnavailable("created_at of a Login must be a date or datetime, a number, str or None")
    for name, kind in (("active", bool), ("identifier", str), ("scope", str)):
        if not isinstance(getattr(value, name), kind):
            raise StoreUnavailable(f"{name} of a Login must be {kind.__name__}")
    return value
