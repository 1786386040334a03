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
        self._own = registry = CollectorRegistry()
        self.requests = Counter(
            "keyturn_http_requests", "HTTP requests answered.", ["route", "status"], registry=registry
        )
        self.refusals = Counter("keyturn_refusals", "Refusals, by wire code.", ["code"], registry=registry)
        self.events = Counter("keyturn_security_events", "Security events, by name.", ["event"], registry=registry)
        self.seconds = Histogram(
            "keyturn_http_request_duration_seconds", "Time to answer.", ["route"], buckets=_BUCKETS, registry=registry
        )
        self._staleness = self._gauge("keyturn_feed_age_seconds", "Age of the oldest worker's news.")
        self._held = self._gauge("keyturn_denylist_entries", "Entries in the largest worker's set.")
        self._cached = self._gauge("keyturn_session_cache_entries", "Sessions in the largest near-cache.")
        self._lookups = Counter(
            "keyturn_session_cache_requests", "Session lookups, by result.", ["cache", "result"], registry=registry
        )
        self.streams = Gauge(
            "keyturn_feed_streams", "Open feed streams.", registry=registry, multiprocess_mode="livesum"
        )
        self._quarantined = self._gauge("keyturn_store_quarantined", "1 while sessions in Redis are not believed.")
        self._changes = Counter(
            "keyturn_redis_failovers", "Restarts and failovers of the Redis with the sessions.", registry=registry
        )
        self._counted: dict[str, int] = {}

    def watch(self, parts: Components) -> None:
        """Update the metrics of this process's feed and caches."""
        near = parts.session_cache
        self._staleness.set(near.age_seconds)
        self._held.set(near.revocation_count)
        self._cached.set(len(near))
        for result, count in (("hit", near.hits), ("miss", near.misses)):
            self._count(self._lookups.labels("process", result), f"process {result}", count)
        if parts.quarantine is not None:
            self._quarantined.set(parts.quarantine.is_active)
            self._count(self._changes, "changes", parts.quarantine.changes)
        if parts.redis_cache is not None:
            counts = parts.redis_cache.cache.counts
            for result, count in (("hit", counts.hits), ("miss", counts.misses), ("failure", counts.failures)):
                self._count(self._lookups.labels("redis", result), f"redis {result}", count)

    def _count(self, counter: Counter, name: str, count: int) -> None:
        counter.inc(count - self._counted.get(name, 0))
        self._counted[name] = count

    def render(self) -> bytes:
        """Return the metrics in text format, of all workers if they are shared."""
        if not self._shared:
            return generate_latest(self._own)
        pooled = CollectorRegistry()
        MultiProcessCollector(pooled)  # type: ignore[no-untyped-call]  # the library leaves it unannotated
        return generate_latest(pooled)

    def remove_dead_workers(self) -> None:
        """Delete the gauges of workers that have exited, whose last values would remain for ever."""
        if not self._shared:
            return
        for each in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("gauge_live*_*.db"):
            pid = int(each.stem.rpartition("_")[2])
            if not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
                each.unlink(missing_ok=True)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._own, multiprocess_mode="livemax")
