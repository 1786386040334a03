"""Mark of a subject: what Keyturn has last seen of an account of the application, as keyed digests of its hash."""

import hmac
from dataclasses import dataclass, replace

from keyturn.accounts.port import Login
from keyturn.core.sealed import Secrets

GONE = "-"
"""Digest of an account that is inactive or deleted."""

_MOST_ALIASES = 8
_DIGEST_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class AccountMark:
    """Digests of the present password's hashes, newest first, and of the hash that a change is about to store.

    Several digests are hashes of one password: an upgraded hash ends no session.
    """

    present: tuple[str, ...]
    pending: str = ""

    def encode(self) -> str:
        """Return the text that is stored as the password hash of Keyturn's own record of the subject."""
        return f"{','.join(self.present)}>{self.pending}"

    def add_alias(self, digest: str, current: str) -> "AccountMark":
        """Return the mark with another hash of the present password, whose stored hash has digest ``current``."""
        others = [each for each in self.present if each not in (digest, current)]
        return replace(self, present=(digest, current, *others)[:_MOST_ALIASES])


def decode_mark(text: str) -> AccountMark:
    """Parse ``AccountMark.encode``. Any other text matches no account, which ends the subject's sessions."""
    present, _, pending = text.partition(">")
    return AccountMark(tuple(present.split(",")), pending)


class Digests:
    """Digests of password hashes under the server secret. Those under the previous secret are recognised, too."""

    def __init__(self, secrets: Secrets) -> None:
        self._keys = [Secrets.derive(each, b"account-hash") for each in secrets.all]

    def of(self, login: Login | None) -> tuple[str, ...]:
        """Return the digests of an account, the one under the current secret first."""
        if login is None or not login.active:
            return (GONE,)
        return tuple(self._digest(key, login.password_hash or "") for key in self._keys)

    def of_hash(self, password_hash: str) -> str:
        """Return the digest of a hash under the current secret."""
        return self._digest(self._keys[0], password_hash)

    @staticmethod
    def _digest(key: bytes, text: str) -> str:
        # Keyed: a copy of Keyturn's store must not help to guess a password whose hash is weak and unsalted.
        return hmac.new(key, text.encode(errors="surrogatepass"), "sha256").hexdigest()[:_DIGEST_CHARACTERS]
