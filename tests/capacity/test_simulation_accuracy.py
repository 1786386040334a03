"""The simulation beside what really happens at small scale: one served issuer, real readers, real revocations."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from capacity.experiment import Measured, experiment
from keyturn_lab.capacity.costs import Costs
from keyturn_lab.capacity.scene import Scene
from keyturn_lab.capacity.simulation import Outcome, simulate
from server_process import ServerProcess, run_server

INTERVAL_SECONDS = 0.5
RATE = 10.0
SECONDS = 8.0

Note = Callable[[str, object], None]

POLLING = "test_a_reader_polling_every_second_sees_a_revocation_after_half_a_second"
TOLD = "test_a_streamed_reader_waits_for_the_log_read_and_its_queue"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with run_server(tmp_path_factory.mktemp("capacity") / "data", algorithm="ES256") as server:
        yield server


@pytest.fixture(scope="module")
def single_reader(server: ServerProcess) -> Measured:
    """Measure the cost of one poll with few readers, to predict many."""
    return experiment(server, 5, 0.1, RATE, 4.0)


@pytest.mark.long(stands_in=f"tests/capacity/test_simulation.py::{POLLING}")
@pytest.mark.parametrize("readers", [20, 50])
def test_the_simulation_predicts_the_delay_of_polling_readers(
    server: ServerProcess, single_reader: Measured, readers: int, record_property: Note
) -> None:
    foretold = simulate(_scene(readers, single_reader), Random(1), 60.0)
    measured = experiment(server, readers, INTERVAL_SECONDS, RATE, SECONDS)
    record_property("figure", _figure(readers, foretold, measured))
    assert measured.quantile(0.5) == pytest.approx(foretold.quantile(0.5), rel=0.35)
    assert measured.quantile(0.99) == pytest.approx(foretold.quantile(0.99), rel=0.35)
    assert measured.polls_per_second == pytest.approx(foretold.answers_per_second, rel=0.25)


@pytest.mark.long(stands_in=f"tests/capacity/test_simulation.py::{TOLD}")
@pytest.mark.parametrize("readers", [20, 50])
def test_the_simulation_predicts_the_delay_of_streaming_readers(
    server: ServerProcess, readers: int, record_property: Note
) -> None:
    few = experiment(server, 5, 0, RATE, 4.0)
    # What a few see is waiting for the look and the way; what many see on top of it is their turn.
    foretold = simulate(_streaming_scene(readers, few), Random(1), 60.0)
    measured = experiment(server, readers, 0, RATE, SECONDS)
    record_property("figure", _figure(readers, foretold, measured))
    assert measured.quantile(0.5) == pytest.approx(foretold.quantile(0.5), rel=0.6, abs=0.004)
    assert measured.quantile(0.99) < 20 * foretold.quantile(0.99)


def _streaming_scene(readers: int, few: Measured) -> Scene:
    looks = 0.005
    return Scene(
        readers=readers,
        servers=1,
        revocations_per_second=RATE,
        is_push=True,
        interval_seconds=1.25,
        log_poll_seconds=looks,
        service_seconds=Costs().message_seconds,
        travel_seconds=2 * max(0.0, few.quantile(0.5) - looks / 2),
        bound_seconds=5.0,
    )


def _scene(readers: int, single_reader: Measured) -> Scene:
    return Scene(
        readers=readers,
        servers=1,
        revocations_per_second=RATE,
        is_push=False,
        interval_seconds=INTERVAL_SECONDS,
        service_seconds=single_reader.server_seconds,
        travel_seconds=single_reader.reader_seconds,
        bound_seconds=5.0,
    )


def _figure(readers: int, foretold: Outcome, measured: Measured) -> str:
    said = "; ".join(
        f"p{share * 100:g} {1e3 * measured.quantile(share):.0f} ms (simulated {1e3 * foretold.quantile(share):.0f})"
        for share in (0.5, 0.99, 1.0)
    )
    return (
        f"capacity: {readers} readers, {RATE:g} revocations/s: {said}; "
        f"{measured.polls_per_second:.0f} polls/s (simulated {foretold.answers_per_second:.0f} answers); "
        f"{len(measured.seen)} sightings"
    )
