"""Messages for database errors, in Keyturn's own words.

A driver's message may quote the failed row, or a part of the URL that contains the password (CWE-532).
"""

from typing import Final

_NO_HOST: Final = "this host name has no address; in a password, write @ as %40, : as %3A and / as %2F"
_MESSAGES: Final = (
    ("authentication failed", "the server rejects this user with this password"),
    ("does not exist", "the server has no such database or user"),
    ("refused", "nothing listens on this host and port"),
    ("translate host name", _NO_HOST),
    ("Name or service not known", _NO_HOST),
    ("certificate file", "a certificate file that the URL names cannot be read"),
    ("certificate", "the server's certificate is not trusted"),
    ("does not support SSL", "the server does not support TLS, which the URL requires"),
    ("no pg_hba.conf entry", "pg_hba.conf does not allow this user from this host"),
    ("too many", "the server has no free connections"),
    ("timeout", "no answer in time"),
    ("starting up", "the server is starting"),
    ("read-only", "the server is read-only"),
    ("permission denied", "this user lacks a permission; make it the owner of the database"),
)
"""Pairs of a text in the driver's message and Keyturn's explanation; the first match is used."""


def sql_error_summary(error: Exception) -> str:
    """Return type and error code of ``error``, without its message."""
    cause = _cause(error)
    name = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return f"{type(cause).__name__.lstrip('_')} {name or ''}".strip()


def explain_connect_error(error: Exception) -> str:
    """Return the most likely cause of a failed connection for the operator, followed by ``sql_error_summary``."""
    message = str(_cause(error))
    explanation = next((text for pattern, text in _MESSAGES if pattern in message), "")
    return f"{explanation} ({sql_error_summary(error)})" if explanation else sql_error_summary(error)


def _cause(error: Exception) -> BaseException:
    return getattr(error, "orig", None) or error
