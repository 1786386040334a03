"""What fails in the night, on real servers. Whatever it is: nothing revoked is accepted past the bound, no acknowledged
revocation is lost, nobody is logged out by it, and it recovers by itself. Recovery times are printed.
"""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from faults.environment import BOUND_SECONDS, Kept, Stage, staged
from faults.fault_run import LASTS_SECONDS, Fault, Note, conclude, endure, refused_by_all
from faults.tcp_proxy import Cable, State
from services.process import limit_files

Do = Callable[[Stage], object]


def _fill_disk_of_postgres(stage: Stage) -> None:
    limit_files(stage.database.process, 4096)


def _empty_disk_of_postgres(stage: Stage) -> None:
    # It gives up when it cannot even begin its log again: then an operator starts it.
    if stage.database.running:
        stage.database.kill()
    stage.database.start()


def _signal_issuer(number: int) -> Do:
    def send(stage: Stage) -> None:
        assert stage.issuer.process is not None
        stage.issuer.process.send_signal(number)

    return send


def _freeze(stage: Stage) -> None:
    stage.database.signal(signal.SIGSTOP)


def _thaw(stage: Stage) -> None:
    stage.database.signal(signal.SIGCONT)


def _restart(stage: Stage) -> None:
    stage.database.stop()
    stage.database.start()


def _nothing(stage: Stage) -> None:
    pass


def _cable(state: State, of: Callable[[Stage], Cable] = lambda stage: stage.cable) -> Do:
    return lambda stage: of(stage).become(state)


def _wire(state: State) -> Do:
    return _cable(state, lambda stage: stage.wire)


def _clock(seconds: float) -> Do:
    return lambda stage: stage.service.set_clock(seconds)


def _step(seconds: float) -> Do:
    return lambda stage: stage.step_issuer(seconds)


FAULTS = [
    Fault("PostgreSQL: kill -9", lambda stage: stage.database.kill(), lambda stage: stage.database.start()),
    Fault("PostgreSQL: SIGSTOP", _freeze, _thaw),
    Fault("PostgreSQL: restart", _restart, _nothing, revocable=True),
    Fault("PostgreSQL: disk full", _fill_disk_of_postgres, _empty_disk_of_postgres),
    Fault("issuer: kill -9", lambda stage: stage.issuer.kill(), lambda stage: stage.issuer.start()),
    Fault("issuer: SIGSTOP", _signal_issuer(signal.SIGSTOP), _signal_issuer(signal.SIGCONT)),
    Fault("network to the service: cut", _cable("cut"), _cable("whole"), revocable=True),
    Fault("network to the service: packets lost", _cable("clogged"), _cable("whole"), revocable=True),
    Fault("network to the service: slow", _cable("slow"), _cable("whole"), revocable=True),
    Fault("network to PostgreSQL: cut", _wire("cut"), _wire("whole")),
    Fault("network to PostgreSQL: packets lost", _wire("clogged"), _wire("whole")),
    Fault("network to PostgreSQL: slow", _wire("slow"), _wire("whole")),
    Fault("clock of the service: 20 s ahead", _clock(20), _clock(0), revocable=True),
    Fault("clock of the service: 4 s back", _nothing, _clock(-4), revocable=True),
    Fault("clock of the issuer: 20 s back", _step(-20), _step(0), revocable=True),
    Fault("clock of the issuer: 4 s ahead", _step(4), _step(0), revocable=True),
]


STAND_INS = {
    "PostgreSQL: SIGSTOP": "issuer: SIGSTOP",
    "issuer: kill -9": "PostgreSQL: kill -9",
    "network to the service: packets lost": "network to PostgreSQL: packets lost",
    "network to PostgreSQL: cut": "network to the service: cut",
    "network to PostgreSQL: slow": "network to the service: slow",
    "clock of the service: 4 s back": "clock of the service: 20 s ahead",
    "clock of the issuer: 20 s back": "clock of the service: 20 s ahead",
    "clock of the issuer: 4 s ahead": "clock of the service: 20 s ahead",
}
"""One fault of each kind is always tried; those named first are long."""


def by_kind(fault: Fault) -> object:
    """Return the fault as a parameter, marked long where another of its kind stands in."""
    marks = ()
    if fault.name in STAND_INS:
        test = "test_whatever_fails_nothing_is_accepted_late_lost_or_logged_out"
        marks = (pytest.mark.long(stands_in=f"tests/faults/test_faults.py::{test}[{STAND_INS[fault.name]}]"),)
    return pytest.param(fault, marks=marks, id=fault.name)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A house for all: every fault must leave it working, and that is tried before the next one begins."""
    kept = Kept(tmp_path_factory.mktemp("kept"))
    yield kept
    kept.end()


@pytest.mark.parametrize("fault", [by_kind(each) for each in FAULTS])
def test_whatever_fails_nothing_is_accepted_late_lost_or_logged_out(
    fault: Fault, kept: Kept, record_property: Note
) -> None:
    with kept.staged() as stage:
        endure(stage, fault, record_property)


def test_a_full_disk(tmp_path: Path, record_property: Note) -> None:
    with staged(tmp_path, postgres=False) as stage:
        assert stage.revoke(stage.people[0])
        limit_files(stage.issuer.process, 4096)
        assert not stage.revoke(stage.people[1])
        bearer = {"authorization": f"Bearer {stage.people[2].access_token}"}
        assert httpx.get(stage.issuer.url + "/auth/session", headers=bearer, timeout=30).status_code == 200
        time.sleep(LASTS_SECONDS)
        limit_files(stage.issuer.process, None)
        conclude(stage, "disk of the issuer (SQLite): full", stage.recovered(), record_property)


# --- these tests can fail --------------------------------------------------------------------------------------


def test_a_service_that_does_not_keep_its_bound_is_caught(kept: Kept) -> None:
    """The same cut, and a service that believes old news for five minutes."""
    with kept.staged(kept_seconds=300.0) as stage:
        stage.cable.become("cut")
        assert stage.revoke(stage.people[0])
        time.sleep(BOUND_SECONDS + 1)
        stage.cable.become("whole")
        with pytest.raises(AssertionError, match="accepted after the bound"):
            refused_by_all(stage)


def test_a_lost_revocation_and_a_wrong_logout_are_caught(kept: Kept) -> None:
    with kept.staged() as stage:
        assert stage.revoke(stage.people[0])
        told = refused_by_all(stage)
        at = stage.revoked.pop(stage.people[0].sid)
        with pytest.raises(AssertionError, match="whom nobody had logged out"):
            stage.judge({**_none_of(told), "others": []})
        stage.revoked |= {stage.people[0].sid: at, stage.people[1].sid: time.monotonic()}
        with pytest.raises(AssertionError, match="an acknowledged revocation is gone"):
            stage.judge({**_none_of(told), "others": []})


def _none_of(told: dict[str, object]) -> dict[str, object]:
    return {**told, "accepted": {}, "refused": {}}
