"""Source of what ends the open connections of an issuer: its session cache, which follows the feed, and its store."""

from collections.abc import Callable

from keyturn.core.connection import Decision
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.principal import Principal
from keyturn.core.revocation import Revocation
from keyturn.core.types import Instant
from keyturn.flows import drive
from keyturn.flows.connections import reload_principal
from keyturn.ports import Ports
from keyturn.stores.session_cache import LocalSessionCache


class IssuerConnectionSource:
    """``ConnectionSource`` of an issuer in this process.

    ``ports``: synchronous ones. ``present`` and ``certain_now``: those of ``Components``.
    """

    def __init__(
        self,
        session_cache: LocalSessionCache,
        ports: Ports,
        bound_seconds: float,
        monotonic: Callable[[], float],
        present: Callable[[], tuple[Instant, IssuerConfig]],
        certain_now: Callable[[], float | None],
    ) -> None:
        self.bound_seconds = bound_seconds
        self.monotonic = monotonic
        self._session_cache = session_cache
        self._ports = ports
        self._present = present
        self._certain_now = certain_now

    def complete_as_of(self) -> float:
        """Return the monotonic time as of which the session cache is complete."""
        return self._session_cache.complete_as_of

    def poll(self) -> bool:
        """Return False: the session cache calls its listeners."""
        return False

    def present(self) -> tuple[float, float]:
        """Return the present time and 0, or the earlier time and the gap while two clocks disagree."""
        certain = self._certain_now()
        if certain is not None:
            return certain, 0
        now, config = self._present()
        return now, config.clock_gap_seconds

    def subscribe(self, listener: Callable[[Revocation | None], None]) -> Callable[[], None]:
        """Subscribe to the session cache. Return a function to unsubscribe."""
        return self._session_cache.subscribe(listener)

    def decide(self, principal: Principal) -> Decision:
        """Decide by the revocations in the session cache."""
        return self._session_cache.decide_connection(principal)

    def reload(self, principal: Principal) -> Principal:
        """Load the session from the store."""
        return drive(reload_principal(principal.sid, *self._present()), self._ports)
