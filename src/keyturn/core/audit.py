"""Audit events: security events with subject, session and address, never with a credential."""

from dataclasses import dataclass
from enum import StrEnum

from keyturn.core.types import Instant


class AuditEventType(StrEnum):
    """Names of security events, adapted from the OWASP Logging Vocabulary."""

    SIGNUP = "signup"
    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGIN_THROTTLED = "login_throttled"
    STEP_UP = "step_up"
    LOGOUT = "logout"
    REVOKED = "revoked"
    REVOKED_SUBJECT = "revoked_subject"
    REVOKED_OTHERS = "revoked_others"
    REVOKED_CLIENT = "revoked_client"
    REVOKED_EVERYTHING = "revoked_everything"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an event
    REFRESH_REPEATED = "refresh_repeated"
    REFRESH_LATE = "refresh_late"
    STEP_UP_REQUIRED = "step_up_required"
    TOKEN_REUSED = "token_reused"  # noqa: S105 - the name of an event
    COUNTER_AHEAD = "counter_ahead"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"


ALERT_EVENTS = frozenset((AuditEventType.COUNTER_AHEAD, AuditEventType.TOKEN_REUSED))
"""Events that should page an operator: a lost write (``COUNTER_AHEAD``), a stolen refresh token (``TOKEN_REUSED``)."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One security event.

    ``subject``, ``sid``: empty when unknown. ``address``: address of the peer. ``detail``: never contains a secret.
    """

    event: AuditEventType
    at: Instant
    subject: str = ""
    sid: str = ""
    address: str = ""
    detail: str = ""
