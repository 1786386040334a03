"""Metrics of a verifier."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VerifierMetrics:
    """Snapshot of a verifier's metrics. Counters are updated without a lock: a race may lose a few increments.

    ``staleness_seconds``: age of the last complete read of the feed, infinite before the first.
    ``revocations``: number of known revocations. ``sequence``: sequence number of the last one read.
    ``hits``: tokens found in the token cache. ``misses``: tokens verified in full. ``cached_tokens``: tokens cached.
    ``problem``: current outage and its cause, empty without one.
    ``clock_difference_seconds``: this machine's wall clock minus the issuer's; 0 within the error of measurement.
    """

    staleness_seconds: float
    revocations: int
    sequence: int
    hits: int
    misses: int
    cached_tokens: int
    problem: str
    clock_difference_seconds: float = 0.0
