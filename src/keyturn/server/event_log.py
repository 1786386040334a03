"""Audit port that also counts and logs the events it stores; alert events are logged as errors."""

from typing import Any

import structlog

from keyturn.core.audit import ALERT_EVENTS, AuditEvent
from keyturn.server.metrics import Metrics

_logger = structlog.get_logger("keyturn.audit")


class LoggingAuditLog:
    """Wrapper of an async ``AuditLog``. It logs an event before storing it, so that a failing store hides no alert."""

    def __init__(self, audit: Any, metrics: Metrics) -> None:
        self._append, self.recent, self.purge = audit.append, audit.recent, audit.purge
        self._metrics = metrics

    async def append(self, event: AuditEvent) -> None:
        """Count, log and store one event."""
        self._metrics.events.labels(event.event.value).inc()
        write_log = _logger.error if event.event in ALERT_EVENTS else _logger.info
        write_log(event.event.value, subject=event.subject, sid=event.sid, address=event.address)
        await self._append(event)
