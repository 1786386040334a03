"""Keyturn: one login, two keys.

The doors. ``Verifier`` and ``AsyncVerifier`` need nothing but ``cryptography`` and ``msgspec``; ``Issuer`` and
``AsyncIssuer`` need the extras of the stores they are opened with, and are imported only when asked for.
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
from keyturn.core.session import Client
from keyturn.errors import ConfigurationError, Refusal
from keyturn.tokens import KeySet, verify_compact
from keyturn.verifier import AsyncVerifier, Verifier

if TYPE_CHECKING:
    from keyturn.issuer import AsyncIssuer, Issuer

__all__ = [
    "BANKING",
    "BROWSER",
    "BROWSER_STRICT",
    "MOBILE",
    "NIST_AAL2",
    "AsyncIssuer",
    "AsyncVerifier",
    "Client",
    "ConfigurationError",
    "CookiePolicy",
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


def __getattr__(name: str) -> object:
    if name in ("AsyncIssuer", "Issuer"):
        return getattr(_issuer_room(), name)
    raise AttributeError(f"module 'keyturn' has no attribute {name!r}")


def _issuer_room() -> object:
    try:
        return import_module("keyturn.issuer")
    except ModuleNotFoundError as missing:
        extras = "pip install 'keyturn[passwords,sql]'"
        raise ImportError(f"an issuer needs {missing.name}, which this installation lacks: {extras}") from missing
