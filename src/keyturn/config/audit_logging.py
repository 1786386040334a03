"""Security events in the log of the application, under the logger ``keyturn.audit`` of the standard library."""

import logging
from typing import Any

from keyturn.core.audit import ALERT_EVENTS, AuditEvent

EVENT_FIELDS = ("subject", "sid", "address", "detail")
"""Attributes of the log record besides its message, which is the name of the event. No field has a credential."""

_logger = logging.getLogger("keyturn.audit")


class LoggingAuditLog:
    """Wrapper of an ``AuditLog``, sync or async. Alert events are logged as errors.

    It logs an event before storing it, so that a failing store hides no alert.
    """

    def __init__(self, audit: Any) -> None:
        self._append, self.recent, self.purge = audit.append, audit.recent, audit.purge

    def append(self, event: AuditEvent) -> Any:
        """Log and store one event. Return an awaitable if the wrapped log is async."""
        level = logging.ERROR if event.event in ALERT_EVENTS else logging.INFO
        fields = {name: getattr(event, name) for name in EVENT_FIELDS}
        _logger.log(level, "%s", event.event.value, extra=fields)
        return self._append(event)
