"""The issuer of a server: its security events are counted, too."""

from dataclasses import replace
from typing import Any

from keyturn.config.components import Components
from keyturn.issuer import AsyncIssuer
from keyturn.server.event_log import CountingAuditLog
from keyturn.server.metrics import Metrics


class ServedIssuer:
    """``AsyncIssuer`` whose audit port counts each event. Follows the issuer when it is opened again."""

    def __init__(self, issuer: AsyncIssuer, metrics: Metrics) -> None:
        self.settings, self.config = issuer.settings, issuer.config
        self._issuer = issuer
        self._metrics = metrics
        self._source: Components | None = None
        self._components: Components | None = None

    @property
    def current(self) -> Components | None:
        """The components while the issuer is open, else None."""
        source = self._issuer.current
        if source is not self._source:
            self._components = None if source is None else self._with_event_log(source)
            self._source = source
        return self._components

    @property
    def parts(self) -> Components:
        """The components. Raises as ``AsyncIssuer.parts``."""
        return self.current or self._with_event_log(self._issuer.parts)

    async def ready(self) -> Components:
        """Return the components, as ``AsyncIssuer.ready`` does."""
        source = await self._issuer.ready()
        return self.current or self._with_event_log(source)

    async def __aenter__(self) -> object:
        return await self._issuer.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._issuer.__aexit__(*error)

    def _with_event_log(self, components: Components) -> Components:
        audit: Any = CountingAuditLog(components.ports.audit, self._metrics)
        return replace(components, ports=replace(components.ports, audit=audit))
