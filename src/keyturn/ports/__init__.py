"""Ports: what flows need, as protocols. ``Ports`` names each one that a flow may call.

``stores`` declares the ports of a store, ``caches`` the session caches, ``local`` those of this process.
"""

from dataclasses import dataclass
from typing import Final, get_type_hints

from keyturn.ports.caches import SessionCache, SharedSessionCache
from keyturn.ports.local import Entropy, Grants, KeyGenerator, PasswordCheck, PasswordHasher, PasswordRules, Signer
from keyturn.ports.stores import (
    LOG_BITS,
    MAX_LISTED,
    STORE_PORTS,
    AccountStore,
    AuditLog,
    KeyStore,
    OneTimeStore,
    RevocationLog,
    SessionStore,
    StoredKey,
    StorePorts,
    ThrottleStore,
    methods_of,
    ports_of,
)

__all__ = [
    "LOG_BITS",
    "MAX_LISTED",
    "PORTS",
    "STORE_PORTS",
    "AccountStore",
    "AuditLog",
    "Entropy",
    "Grants",
    "KeyGenerator",
    "KeyStore",
    "OneTimeStore",
    "PasswordCheck",
    "PasswordHasher",
    "PasswordRules",
    "Ports",
    "RevocationLog",
    "SessionCache",
    "SessionStore",
    "SharedSessionCache",
    "Signer",
    "StorePorts",
    "StoredKey",
    "ThrottleStore",
    "methods_of",
    "ports_of",
]


@dataclass(eq=False, repr=False)
class Ports(StorePorts):
    """Ports of a flow: those of a store, and those of its process."""

    hasher: PasswordHasher
    key_generator: KeyGenerator
    passwords: PasswordRules
    signer: Signer
    session_cache: SessionCache
    shared_cache: SharedSessionCache
    entropy: Entropy
    grants: Grants


PORTS: Final[dict[str, type]] = get_type_hints(Ports)
"""Protocol of each port of a flow, by name."""
