"""Limits of a fleet: needed and available capacity of each part, and a remedy when it is exceeded."""

from dataclasses import dataclass

from keyturn_lab.capacity.model import Model

SERVE_WORKERS = 64
"""Largest number of processes that ``keyturn serve --workers`` starts on one machine."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit; ``needed`` and ``available`` are in ``unit``. ``outage``: applies only while another part is down."""

    name: str
    needed: float
    available: float
    unit: str
    remedy: str
    outage: bool = False

    @property
    def load(self) -> float:
        """Ratio of needed to available; above 1 the limit is exceeded."""
        return self.needed / self.available

    @property
    def is_met(self) -> bool:
        """True if the available capacity suffices."""
        return self.load <= 1


def limits_of(model: Model) -> list[Limit]:
    """Return all limits, the most loaded first."""
    limits = [*_store_limits(model), *_issuer_limits(model), *_feed_limits(model), *_verifier_limits(model)]
    return sorted(limits, key=lambda limit: limit.load, reverse=True)


def first_limit(model: Model) -> Limit:
    """Return the limit with the least headroom, outages not counted."""
    return next(limit for limit in limits_of(model) if not limit.outage)


def _store_limits(model: Model) -> list[Limit]:
    supply, nodes, store = model.supply, model.supply.nodes, model.demand.store
    remedy = "more Redis nodes" if store == "redis" else "sessions in Redis, divided among nodes; accounts stay in SQL"
    writes = model.node_writes_per_second * supply.busy_share * nodes
    return [
        Limit("session memory", model.store_bytes, supply.node_bytes * nodes, "B", remedy),
        Limit("session writes", model.writes_per_second, writes, "1/s", f"{remedy}; longer access tokens"),
        Limit(
            "log appends",
            model.demand.revocations_per_second,
            model.appends_limit * supply.busy_share,
            "1/s",
            "end many sessions by one entry (a subject, a client, everything); a log per tenant, an issuer each",
        ),
    ]


def _issuer_limits(model: Model) -> list[Limit]:
    demand, supply = model.demand, model.supply
    cores = demand.issuers * supply.workers * supply.busy_share
    parts = model.issuer_cores
    largest = max(parts, key=lambda name: parts[name])
    remedy = {
        "password hashes": "more issuers; passkeys or another provider in front hash nothing; longer sessions",
        "signatures": "more issuers; ES256 signs for less; longer access tokens",
        "polls of the feed": "streams (sse) instead of polls; a longer staleness bound; more issuers",
        "streams of the feed": "relays or Redis between issuers and verifiers; more issuers",
    }.get(largest, "more issuers; longer access tokens")
    lost_feed_remedy = (
        "several feeds per verifier, so that none is lost; fewer issuers cannot answer for all (503 until it is back)"
    )
    return [
        Limit("issuer processors", sum(parts.values()), cores, "cores", f"mostly {largest}: {remedy}"),
        Limit("introspection without a feed", model.introspection_cores, cores, "cores", lost_feed_remedy, outage=True),
    ]


def _feed_limits(model: Model) -> list[Limit]:
    demand, supply = model.demand, model.supply
    link = supply.link_bytes * supply.busy_share
    readers, relays = _max_readers(model), "relays: one reader per cluster that serves its neighbours"
    limits = [
        Limit("feed bandwidth", model.issuer_bytes_per_second, link, "B/s", f"more issuers, or {relays}"),
        Limit("feed readers", demand.verifiers, readers[0], "", readers[1]),
        Limit(
            "staleness bound", model.max_delay_seconds, demand.staleness_seconds, "s", f"a longer bound, or {relays}"
        ),
        Limit(
            "restart of all verifiers",
            model.restart_seconds,
            supply.restart_seconds,
            "s",
            "restart them in turns; compress the snapshot (a sixth of it); a snapshot kept beside the service",
        ),
    ]
    if demand.transport == "redis":
        replicas = "readers on Redis replicas; sse from issuers"
        limits.append(Limit("Redis delivery", model.redis_feed_cores, supply.busy_share, "cores", replicas))
    if demand.store == "postgresql":
        reads = model.costs.postgresql_reads * supply.busy_share
        limits.append(Limit("log reads", model.log_reads_per_second, reads, "1/s", "sse: one read serves all streams"))
    return limits


def _max_readers(model: Model) -> tuple[float, str]:
    """Return the largest number of readers of the transport, and the remedy for more."""
    demand, supply = model.demand, model.supply
    workers = demand.issuers * supply.workers
    return {
        "sqlite": (SERVE_WORKERS, "they are processes of one machine: sse for all others"),
        "postgresql": (supply.postgresql_connections, "a connection each: sse from the issuers instead"),
        "redis": (supply.redis_connections, "maxclients, replicas, or sse"),
        "sse": (workers * supply.streams, "more issuers or workers; relays"),
        "http": (workers * supply.busy_share * model.interval_seconds / (2 * model.costs.poll_seconds), "sse"),
    }[demand.transport]


def _verifier_limits(model: Model) -> list[Limit]:
    supply = model.supply
    remedy = "end many sessions by one entry; fewer entries live with shorter access tokens, down to an hour's (0012)"
    return [
        Limit("denylist memory", model.denylist_bytes, supply.verifier_bytes, "B", remedy),
        Limit("verifier processors", model.verifier_cores, supply.verifier_share, "cores", "one feed per host, shared"),
    ]
