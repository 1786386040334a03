"""Exponential backoff with jitter, for every retry."""


def backoff_seconds(failures: int, first: float, longest: float, jitter: float = 1.0) -> float:
    """Return the pause after ``failures`` failed attempts in a row: ``first`` seconds, doubled up to ``longest``.

    ``jitter``: number in [0, 1] that shortens the pause by half at most, so that many clients do not retry together.
    """
    return min(longest, first * 2.0 ** min(failures - 1, 20)) * (1 + jitter) / 2
