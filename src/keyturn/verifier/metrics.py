"""What there is to watch of a verifier."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VerifierMetrics:
    """``staleness_seconds``: age of the news, infinite before the first. ``revocations``: how many are held;
    ``sequence``: the last one heard of. ``hits``: tokens answered from memory; ``misses``: tokens read in full;
    ``remembered``: tokens in memory. ``problem``: what cannot be reached and why, empty while all is well.
    Counted without a lock: a few may be missed when threads race."""

    staleness_seconds: float
    revocations: int
    sequence: int
    hits: int
    misses: int
    cached_tokens: int
    problem: str
