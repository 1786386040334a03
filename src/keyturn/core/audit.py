"""Audit events: what happened to whom, without a credential in it."""

from dataclasses import dataclass
from enum import StrEnum

from keyturn.core.types import Instant


class AuditEventType(StrEnum):
    """Names of security events (OWASP Logging Vocabulary, in our words)."""

    SIGNUP = "signup"
    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGIN_THROTTLED = "login_throttled"
    STEP_UP = "step_up"
    LOGOUT = "logout"
    REVOKED = "revoked"
    REVOKED_SUBJECT = "revoked_subject"
    REVOKED_CLIENT = "revoked_client"
    REVOKED_EVERYTHING = "revoked_everything"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an event
    TOKEN_REUSED = "token_reused"  # noqa: S105 - the name of an event
    COUNTER_AHEAD = "counter_ahead"


ALERT_EVENTS = frozenset((AuditEventType.COUNTER_AHEAD, AuditEventType.TOKEN_REUSED))
"""Events an operator should be woken for: a lost write, a stolen refresh token."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """``subject`` and ``sid`` may be empty when unknown; ``address`` is the peer's; ``detail`` holds no secret."""

    event: AuditEventType
    at: Instant
    subject: str = ""
    sid: str = ""
    address: str = ""
    detail: str = ""
