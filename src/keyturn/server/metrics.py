"""Prometheus metrics: requests, refusals, latency, caches, and the age of the revocation feed."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from keyturn.config.components import Components

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """Metrics of a worker. ``shared``: the workers of a server share them (see ``PROMETHEUS_MULTIPROC_DIR``)."""

    def __init__(self, shared: bool) -> None:
        self._shared = shared
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "keyturn_http_requests", "HTTP requests, by route and status.", ["route", "status"], registry=registry
        )
        self.refusals = Counter("keyturn_refusals", "Refusals, by error code.", ["code"], registry=registry)
        self.events = Counter("keyturn_security_events", "Security events, by name.", ["event"], registry=registry)
        self.seconds = Histogram(
            "keyturn_http_request_duration_seconds",
            "Duration of HTTP requests, in seconds.",
            ["route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._staleness = self._gauge(
            "keyturn_feed_age_seconds", "Age of the revocation feed in the most stale worker, in seconds."
        )
        self._denylist = self._gauge("keyturn_denylist_entries", "Revocations in the largest denylist of a worker.")
        self._cache = self._gauge("keyturn_session_cache_entries", "Sessions in the largest session cache of a worker.")
        self._lookups = Counter(
            "keyturn_session_cache_requests", "Session lookups, by result.", ["cache", "result"], registry=registry
        )
        self.streams = Gauge(
            "keyturn_feed_streams", "Open feed streams.", registry=registry, multiprocess_mode="livesum"
        )
        self._quarantine = self._gauge(
            "keyturn_store_quarantined", "1 while the Redis session store is quarantined, else 0."
        )
        self._clock = self._gauge(
            "keyturn_clock_difference_seconds",
            "Largest difference between the wall clock of a worker and the store's clock, in seconds.",
        )
        self._suspended = self._gauge(
            "keyturn_store_restored", "1 while sessions of a restored database are suspended, else 0."
        )
        self._failovers = Counter(
            "keyturn_redis_failovers", "Restarts and failovers of the Redis session store.", registry=registry
        )
        self._unusable_hashes = Counter(
            "keyturn_unusable_password_hashes",
            "Logins of accounts whose stored hash no password can match: unsupported, or a package is missing.",
            registry=registry,
        )
        self._counts: dict[str, int] = {}

    def watch(self, components: Components) -> None:
        """Update the metrics of this process's feed and caches."""
        cache = components.session_cache
        self._staleness.set(cache.age_seconds)
        self._denylist.set(cache.revocation_count)
        self._cache.set(len(cache))
        self._clock.set(abs(components.store_clock.read().difference_seconds))
        self._suspended.set(cache.is_suspended())
        for result, count in (("hit", cache.hits), ("miss", cache.misses)):
            self._count(self._lookups.labels("process", result), f"process {result}", count)
        self._count(self._unusable_hashes, "unusable hashes", components.hasher.unusable_hashes)
        if components.quarantine is not None:
            self._quarantine.set(components.quarantine.is_active)
            self._count(self._failovers, "changes", components.quarantine.changes)
        if components.redis_cache is not None:
            counts = components.redis_cache.cache.counts
            for result, count in (("hit", counts.hits), ("miss", counts.misses), ("failure", counts.failures)):
                self._count(self._lookups.labels("redis", result), f"redis {result}", count)

    def _count(self, counter: Counter, name: str, count: int) -> None:
        counted = self._counts.get(name, 0)
        counter.inc(count - counted if count >= counted else count)  # an issuer that was opened again counts from 0
        self._counts[name] = count

    def render(self) -> bytes:
        """Return the metrics in text format, of all workers if they are shared."""
        if not self._shared:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it unannotated
        return generate_latest(registry)

    def remove_dead_workers(self) -> None:
        """Delete the gauges of workers that have exited, whose last values would remain for ever."""
        if not self._shared:
            return
        for each in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("gauge_live*_*.db"):
            pid = int(each.stem.rpartition("_")[2])
            if not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
                each.unlink(missing_ok=True)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry, multiprocess_mode="livemax")
