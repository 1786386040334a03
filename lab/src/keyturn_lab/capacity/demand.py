"""Demand on a fleet (sessions and rates) and its supply (machines and limits)."""

from dataclasses import dataclass
from typing import Literal

from keyturn.core.policy import BROWSER, TokenPolicy
from keyturn.errors import ConfigurationError

Transport = Literal["sqlite", "postgresql", "redis", "sse", "http"]
Store = Literal["sqlite", "postgresql", "redis"]

TRANSPORTS: tuple[Transport, ...] = ("sqlite", "postgresql", "redis", "sse", "http")
"""Transports of the feed: the first three deliver from the store itself, the other two from the issuers."""

STORES: tuple[Store, ...] = ("sqlite", "postgresql", "redis")

ACTIVE_SHARE = 0.05
"""Sessions in use at once at the busiest hour. Assumed."""
CHECK_EVERY_SECONDS = 10.0
"""Time between two requests of a session in use. Assumed."""
PEAK = 3.0
"""Ratio of the busiest hour to the average. Assumed."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Load of the whole fleet at the busiest hour. Raises ``ConfigurationError`` for contradictory figures."""

    sessions: float
    subjects: float
    verifiers: int
    issuers: int
    logins_per_second: float
    refreshes_per_second: float
    checks_per_second: float
    revocations_per_second: float
    access_seconds: int = 600
    staleness_seconds: int = 5
    transport: Transport = "sse"
    store: Store = "postgresql"

    def __post_init__(self) -> None:
        problems = [f"{name} must be at least 1" for name in ("verifiers", "issuers") if getattr(self, name) < 1]
        rates = ("sessions", "subjects", *(each for each in self.__slots__ if each.endswith("_per_second")))
        problems += [f"{name} must not be negative" for name in rates if not 0 <= getattr(self, name) < 1e15]
        if self.transport in ("sqlite", "postgresql", "redis") and self.transport != self.store:
            problems.append(f"transport {self.transport} needs {self.transport} as the store, not {self.store}")
        if problems:
            raise ConfigurationError(*problems)
        _ = self.policy

    @property
    def policy(self) -> TokenPolicy:
        """Token policy of these figures, which sets the lifetime of an entry. Raises ``ConfigurationError``."""
        return TokenPolicy(access_seconds=self.access_seconds, staleness_seconds=self.staleness_seconds)


def typical_demand(
    sessions: float,
    verifiers: int,
    issuers: int,
    *,
    access_seconds: int = 600,
    staleness_seconds: int = 5,
    transport: Transport = "sse",
    store: Store = "postgresql",
) -> Demand:
    """Return typical rates of ``sessions`` at the busiest hour, for users without figures of their own.

    Assumes that every session is replaced once in its overall timeout (30 days), half of them by a logout; that 5 % are
    in use at once, each with a request every ten seconds and one refresh per access token; two sessions per subject.
    """
    logins = PEAK * sessions / BROWSER.session.overall_seconds
    active = ACTIVE_SHARE * sessions
    return Demand(
        sessions=sessions,
        subjects=sessions / 2,
        verifiers=verifiers,
        issuers=issuers,
        logins_per_second=logins,
        refreshes_per_second=active / max(access_seconds, 1),
        checks_per_second=active / CHECK_EVERY_SECONDS,
        revocations_per_second=logins / 2,
        access_seconds=access_seconds,
        staleness_seconds=staleness_seconds,
        transport=transport,
        store=store,
    )


@dataclass(frozen=True, slots=True)
class Supply:
    """Capacity of one machine of each kind, and limits set in this repository or by the defaults of a server."""

    workers: int = 4
    """Worker processes of an issuer, a core each."""
    busy_share: float = 0.7
    """Usable share of a core before queues grow."""
    link_bytes: float = 125e6
    """Bytes a second of one issuer or store node: 1 Gbit/s."""
    verifier_bytes: float = 256 * 2**20
    """Memory that one verifier may use for the denylist."""
    verifier_share: float = 0.1
    """Share of one core of a service that following the feed may use."""
    node_bytes: float = 64 * 2**30
    """Memory of a Redis node, or page cache of a PostgreSQL node, for sessions."""
    nodes: int = 1
    """Number of nodes that share the sessions; more than one for Redis only."""
    streams: int = 1000
    """Open streams of one worker (``MAX_STREAMS`` of the server)."""
    postgresql_connections: int = 500
    """``max_connections``, less those of the issuers."""
    redis_connections: int = 10_000
    """``maxclients``, Redis's default."""
    restart_seconds: float = 60.0
    """Time within which all verifiers, restarted at once, must have read a snapshot."""
