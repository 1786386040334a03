"""Mark of a subject: what Keyturn has last seen of an account of the application, as keyed digests."""

import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from keyturn.accounts.port import Login
from keyturn.core.sealed import Secrets

GONE = "-"
"""Digest of an account that is inactive or deleted."""

_MOST_ALIASES = 8
_DIGEST_CHARACTERS = 32
_CREATED, _IDENTIFIER = "=", "~"


@dataclass(frozen=True, slots=True)
class AccountDigests:
    """Digests of an account as it was read, those under the current secret first.

    ``hashes``: of its password hash. ``persons``: of what tells it from an earlier account of the same key; none if
    nothing does.
    """

    hashes: tuple[str, ...]
    persons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountMark:
    """Digests of the present password's hashes, newest first, and of the hash that a change is about to store.

    Several digests are hashes of one password: an upgraded hash ends no session. ``person``: the digest that tells the
    account from an earlier one of the same key; empty if unknown, as in marks of earlier versions.
    """

    present: tuple[str, ...]
    pending: str = ""
    person: str = ""

    def encode(self) -> str:
        """Return the text that is stored as the password hash of Keyturn's own record of the subject."""
        return f"{','.join(filter(None, (*self.present, self.person)))}>{self.pending}"

    def matches(self, account: AccountDigests) -> bool:
        """Return True if the account is as it was seen last."""
        return not (self.is_other_person(account) or set(account.hashes).isdisjoint(self.present))

    def is_announced(self, account: AccountDigests) -> bool:
        """Return True if a change has stored its hash, and is about to confirm it."""
        return self.pending in account.hashes and not self.is_other_person(account)

    def is_other_person(self, account: AccountDigests) -> bool:
        """Return True if the key has been given to another account; False if that is unknown."""
        comparable = [each for each in account.persons if each[0] == self.person[:1]]
        return bool(comparable) and self.person not in comparable

    def is_created_anew(self, account: AccountDigests) -> bool:
        """Return True for another account by its creation. Another identifier may be a rename, which lifts no ban."""
        return self.person[:1] == _CREATED and self.is_other_person(account)

    def confirm(self, account: AccountDigests) -> "AccountMark":
        """Return the mark of an account that matches, without an announced hash."""
        is_known = not account.persons or self.person in account.persons
        return replace(self, pending="", person=self.person if is_known else account.persons[0])

    def follow(self, account: AccountDigests) -> "AccountMark":
        """Return the mark of an account that was changed."""
        return replace(self.confirm(account), present=account.hashes[:1])

    def add_alias(self, digest: str, current: str) -> "AccountMark":
        """Return the mark with another hash of the present password, whose stored hash has digest ``current``."""
        others = [each for each in self.present if each not in (digest, current)]
        return replace(self, present=(digest, current, *others)[:_MOST_ALIASES])


def decode_mark(text: str) -> AccountMark:
    """Parse ``AccountMark.encode``. Any other text matches no account, which ends the subject's sessions."""
    present, _, pending = text.partition(">")
    digests = present.split(",")
    # Last in the list: a process of an earlier version, which knows of no person, takes it for one more digest.
    person = digests.pop() if digests[-1].startswith((_CREATED, _IDENTIFIER)) else ""
    return AccountMark(tuple(digests), pending, person)


class Digests:
    """Digests of accounts under the server secret. Those under the previous secret are recognised, too."""

    def __init__(self, secrets: Secrets) -> None:
        self._keys = [Secrets.derive(each, b"account-hash") for each in secrets.all]

    def of(self, login: Login | None) -> AccountDigests:
        """Return the digests of an account."""
        if login is None:
            return AccountDigests((GONE,))
        hashes = tuple(self._digest(key, login.password_hash or "") for key in self._keys) if login.active else (GONE,)
        kind, text = _person(login)
        return AccountDigests(hashes, tuple(kind + self._digest(key, kind + text) for key in self._keys if kind))

    def of_hash(self, password_hash: str) -> str:
        """Return the digest of a hash under the current secret."""
        return self._digest(self._keys[0], password_hash)

    @staticmethod
    def _digest(key: bytes, text: str) -> str:
        # Keyed: a copy of Keyturn's store must not help to guess a password whose hash is weak and unsalted.
        return hmac.new(key, text.encode(errors="surrogatepass"), "sha256").hexdigest()[:_DIGEST_CHARACTERS]


def _person(login: Login) -> tuple[str, str]:
    """Return the kind and the text of what tells an account from an earlier one of the same key; empty if nothing."""
    created_at = login.created_at
    if isinstance(created_at, datetime) and created_at.tzinfo is not None:
        created_at = created_at.astimezone(UTC)  # a database may return it in the time zone of the connection
    if created_at is not None:
        return _CREATED, str(created_at)
    # A hash has a salt. Accounts without a password differ by nothing but their identifiers.
    return (_IDENTIFIER, login.identifier) if login.identifier and not login.password_hash else ("", "")
