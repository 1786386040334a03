"""The simulation: the same for the same seed, right where arithmetic knows the answer, and it sees what piles up."""

from dataclasses import replace
from random import Random

import pytest

from keyturn_lab.capacity.scene import Scene
from keyturn_lab.capacity.simulation import restart, simulate

QUIET = Scene(readers=10, servers=2, revocations_per_second=5.0, is_push=False, interval_seconds=1.0)


def test_one_seed_gives_one_answer() -> None:
    for scene in (QUIET, replace(QUIET, is_push=True)):
        assert simulate(scene, Random(1), 20.0) == simulate(scene, Random(1), 20.0)
        assert simulate(scene, Random(1), 20.0).delays != simulate(scene, Random(2), 20.0).delays


def test_a_reader_polling_every_second_sees_a_revocation_after_half_a_second() -> None:
    outcome = simulate(QUIET, Random(1), 500.0)
    assert outcome.quantile(0.5) == pytest.approx(0.5, rel=0.05)
    assert outcome.quantile(1.0) <= 1.0
    assert outcome.unknown_share == 0
    assert outcome.longest_age_seconds == pytest.approx(1.0, abs=0.01)


def test_a_streamed_reader_waits_for_the_log_read_and_its_queue() -> None:
    scene = replace(QUIET, is_push=True, log_poll_seconds=0.02, service_seconds=0.001, travel_seconds=0.004)
    outcome = simulate(scene, Random(1), 500.0)
    # Half a look, half of a round of five turns of a millisecond, half of there-and-back.
    assert outcome.quantile(0.5) == pytest.approx(0.010 + 0.003 + 0.002, rel=0.1)
    assert outcome.quantile(1.0) <= 0.020 + 2 * 0.005 + 0.002 + 1e-9


def test_servers_with_more_to_do_than_time_fall_behind() -> None:
    scene = replace(QUIET, readers=100, service_seconds=0.05)
    outcome = simulate(scene, Random(1), 60.0)
    assert outcome.busy_share == pytest.approx(1.0, abs=0.05)
    assert outcome.quantile(0.5) > 1.0


def test_news_older_than_the_bound_is_counted() -> None:
    scene = replace(QUIET, interval_seconds=8.0)
    outcome = simulate(scene, Random(1), 400.0)
    assert outcome.unknown_share == pytest.approx(3 / 8, rel=0.1)


def test_a_simulation_without_revocations_sees_none() -> None:
    outcome = simulate(replace(QUIET, revocations_per_second=0.0), Random(1), 10.0)
    assert (len(outcome.delays), outcome.quantile(0.99), outcome.revocations) == (0, 0.0, 0)


def test_the_default_simulated_time_is_bounded() -> None:
    result: list[float] = []
    outcome = simulate(replace(QUIET, is_push=True, log_poll_seconds=0.005), Random(1), progress=result.append)
    assert outcome.seconds == 60.0
    assert result == sorted(result)
    assert result[-1] == pytest.approx(1.0, abs=0.02)


def test_a_restart_of_all_takes_its_turns() -> None:
    assert restart(100, 2, 0.01, Random(1)) == pytest.approx(0.5)
    assert restart(100, 2, 0.01, Random(1), jitter_seconds=10.0) == pytest.approx(10.0, rel=0.05)
