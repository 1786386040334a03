"""Accounts of an application in a dictionary, behind the ports of a memory store."""

from dataclasses import dataclass, field, replace
from typing import Any

from interleavings.harness import CALM, T0, Hasher, make_test_ports, realm
from interleavings.state import NoSessionCache
from keyturn.accounts import Login
from keyturn.accounts.mark import Digests
from keyturn.accounts.open import configure_accounts, open_accounts
from keyturn.accounts.session_cache import CheckedAccounts
from keyturn.core.issuer_config import IssuerConfig
from keyturn.stores.memory import MemoryStore


@dataclass
class DictAccounts:
    """``Accounts`` in a dictionary by subject. Identifiers are names, not addresses."""

    rows: dict[str, Login] = field(default_factory=dict[str, Login])
    subject_of_next: Any = "1"

    def normalise(self, text: str) -> str:
        return text.strip().lower()

    def find(self, identifier: str) -> Login | None:
        return next((each for each in self.rows.values() if each.identifier == identifier), None)

    def load(self, subject: str) -> Login | None:
        return self.rows.get(subject)

    def set_password(self, subject: str, new: str, expected: str) -> bool:
        row = self.rows.get(subject)
        if row is None or row.password_hash != expected:
            return False
        self.rows[subject] = replace(row, password_hash=new)
        return True

    def create(self, identifier: str, password_hash: str) -> Any:
        if self.find(identifier) is not None:
            return None
        subject = self.subject_of_next
        self.rows[str(subject)] = Login(subject=subject, password_hash=password_hash, identifier=identifier)
        return subject

    def store(self, key: str, /, **changes: Any) -> None:
        self.rows[key] = replace(self.rows[key], **changes)


def own_realm(own: Any) -> IssuerConfig:
    return configure_accounts(realm(CALM), own)


def own_ports(own: Any, store: MemoryStore | None = None, **others: Any) -> Any:
    """Ports over ``own`` and a memory store, with a hasher that does not hash."""
    kept, config = store or MemoryStore(), own_realm(own)
    checked = CheckedAccounts(lambda: 0.0)
    cache = others.pop("session_cache", NoSessionCache())
    digests, present = Digests(config.secrets), lambda: (T0, config)
    own_ports = open_accounts(own, kept, digests, checked, cache.apply_local, present, is_async=False)
    ports = make_test_ports(kept, session_cache=cache, hasher=Hasher(), **others)
    ports.accounts, ports.sessions = own_ports.accounts, own_ports.sessions
    return ports
