"""Pauses between retries double up to a limit, and jitter spreads them."""

import pytest

from keyturn.core.backoff import backoff_seconds


def test_the_pause_doubles_up_to_the_longest() -> None:
    assert [backoff_seconds(failures, 0.5, 3.0) for failures in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff_seconds(10**9, 0.05, 60.0) == 60.0


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)])
def test_jitter_shortens_the_pause_by_half_at_most(jitter: float, pause: float) -> None:
    assert backoff_seconds(2, 1.0, 60.0, jitter) == pause
