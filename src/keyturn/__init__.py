"""Keyturn: session cookies and access tokens from one login, with one revocation.

``Verifier`` and ``AsyncVerifier`` require only ``cryptography`` and ``msgspec``; ``Issuer`` and ``AsyncIssuer`` also
require the extras of their stores. Names with many dependencies are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from keyturn.core.policy import (
    BANKING,
    BROWSER,
    BROWSER_STRICT,
    MOBILE,
    NIST_AAL2,
    CookiePolicy,
    PasswordPolicy,
    Profile,
    SessionPolicy,
    ThrottlePolicy,
    TokenPolicy,
)
from keyturn.core.principal import Principal
from keyturn.core.session import ClientInfo
from keyturn.errors import ConfigurationError, Refusal

if TYPE_CHECKING:
    from keyturn.core.grants import Grant, GrantRequest
    from keyturn.issuer import AsyncIssuer, Issuer
    from keyturn.tokens import KeySet, verify_compact
    from keyturn.verifier import AsyncVerifier, Verifier

__all__ = [
    "BANKING",
    "BROWSER",
    "BROWSER_STRICT",
    "MOBILE",
    "NIST_AAL2",
    "AsyncIssuer",
    "AsyncVerifier",
    "ClientInfo",
    "ConfigurationError",
    "CookiePolicy",
    "Grant",
    "GrantRequest",
    "Issuer",
    "KeySet",
    "PasswordPolicy",
    "Principal",
    "Profile",
    "Refusal",
    "SessionPolicy",
    "ThrottlePolicy",
    "TokenPolicy",
    "Verifier",
    "verify_compact",
]


_IMPORTED_ON_USE = {
    "AsyncIssuer": "keyturn.issuer",
    "AsyncVerifier": "keyturn.verifier",
    "Grant": "keyturn.core.grants",
    "GrantRequest": "keyturn.core.grants",
    "Issuer": "keyturn.issuer",
    "KeySet": "keyturn.tokens",
    "Verifier": "keyturn.verifier",
    "verify_compact": "keyturn.tokens",
}


def __getattr__(name: str) -> object:
    if name not in _IMPORTED_ON_USE:
        raise AttributeError(f"module 'keyturn' has no attribute {name!r}")
    module = _IMPORTED_ON_USE[name]
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as missing:
        if module != "keyturn.issuer":
            raise
        extras = "pip install '.[passwords,sql]'"
        raise ImportError(f"an issuer needs {missing.name}; in a clone of Keyturn: {extras}") from missing
