"""Audit port that also counts the events it stores."""

from typing import Any

from keyturn.core.audit import AuditEvent
from keyturn.server.metrics import Metrics


class CountingAuditLog:
    """Wrapper of an async ``AuditLog``."""

    def __init__(self, audit: Any, metrics: Metrics) -> None:
        self._append, self.recent, self.purge = audit.append, audit.recent, audit.purge
        self._metrics = metrics

    async def append(self, event: AuditEvent) -> None:
        """Count and store one event."""
        self._metrics.events.labels(event.event.value).inc()
        await self._append(event)
