"""What fails in the night, on real servers. Whatever it is: nothing revoked is accepted past the bound, no acknowledged
revocation is lost, nobody is logged out by it, and it recovers by itself. Recovery times are printed.
"""

import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from faults.cable import State
from faults.stage import BOUND_SECONDS, Stage, staged

LASTS_SECONDS = BOUND_SECONDS + 2

Note = Callable[[str, object], None]


@dataclass(frozen=True)
class Fault:
    """``begin`` and ``end`` of it. ``revocable``: whether revocations are expected to go through meanwhile."""

    name: str
    begin: Callable[[Stage], object]
    end: Callable[[Stage], object]
    revocable: bool = False


def _kill_postgres(stage: Stage) -> None:
    assert stage.postgres is not None
    stage.postgres.kill()


def _start_postgres(stage: Stage) -> None:
    assert stage.postgres is not None
    stage.postgres.start()


def _restart_postgres(stage: Stage) -> None:
    assert stage.postgres is not None
    stage.postgres.stop()
    stage.postgres.start()


def _signal_postgres(number: int) -> Callable[[Stage], None]:
    def send(stage: Stage) -> None:
        assert stage.postgres is not None
        stage.postgres.signal(number)

    return send


def _signal_issuer(number: int) -> Callable[[Stage], None]:
    def send(stage: Stage) -> None:
        assert stage.issuer.process is not None
        stage.issuer.process.send_signal(number)

    return send


def _nothing(stage: Stage) -> None:
    pass


def _cable(state: State) -> Callable[[Stage], None]:
    return lambda stage: stage.cable.become(state)


def _clock(seconds: float) -> Callable[[Stage], None]:
    return lambda stage: stage.service.set_clock(seconds)


FAULTS = [
    Fault("PostgreSQL: kill -9", _kill_postgres, _start_postgres),
    Fault("PostgreSQL: SIGSTOP", _signal_postgres(signal.SIGSTOP), _signal_postgres(signal.SIGCONT)),
    Fault("PostgreSQL: restart", _restart_postgres, _nothing, revocable=True),
    Fault("issuer: kill -9", lambda stage: stage.issuer.kill(), lambda stage: stage.issuer.start()),
    Fault("issuer: SIGSTOP", _signal_issuer(signal.SIGSTOP), _signal_issuer(signal.SIGCONT)),
    Fault("network: cut", _cable("cut"), _cable("whole"), revocable=True),
    Fault("network: packets lost", _cable("clogged"), _cable("whole"), revocable=True),
    Fault("network: slow", _cable("slow"), _cable("whole"), revocable=True),
    Fault("clock of the service: 20 s ahead", _clock(20), _clock(0), revocable=True),
    Fault("clock of the service: 4 s back", _nothing, _clock(-4), revocable=True),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_whatever_fails_nothing_is_accepted_late_lost_or_logged_out(
    fault: Fault, tmp_path: Path, record_property: Note
) -> None:
    with staged(tmp_path) as stage:
        assert stage.revoke(stage.people[0])
        fault.begin(stage)
        began_at = time.monotonic()
        answered = [stage.revoke(each, seconds=3) for each in stage.people[1:3]]
        if fault.revocable:
            assert any(answered)
        time.sleep(max(0.0, began_at + LASTS_SECONDS - time.monotonic()))
        fault.end(stage)
        seconds = stage.recovered()
        told = _after_all_refused(stage)
    record_property("figure", _said(fault.name, told, seconds))


def test_a_full_disk(tmp_path: Path, record_property: Note) -> None:
    with staged(tmp_path, postgres=False) as stage:
        assert stage.revoke(stage.people[0])
        assert stage.issuer.process is not None
        pid = stage.issuer.process.pid
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        assert not stage.revoke(stage.people[1])
        bearer = {"authorization": f"Bearer {stage.people[2].access_token}"}
        assert httpx.get(stage.issuer.url + "/auth/session", headers=bearer, timeout=20).status_code == 200
        time.sleep(LASTS_SECONDS)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        seconds = stage.recovered()
        told = _after_all_refused(stage)
    record_property("figure", _said("disk of the issuer (SQLite): full", told, seconds))


def _after_all_refused(stage: Stage) -> dict[str, object]:
    give_up_at = time.monotonic() + 20
    while not all(stage.service.ask(sid) for sid in stage.revoked):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    return stage.judge(stage.service.verdicts())


def _said(name: str, told: dict[str, object], seconds: float) -> str:
    return (
        f"fault: {name:<44} recovered {seconds:5.2f} s after its end; {told['revocations']} revocations acknowledged, "
        f"0 lost, 0 accepted late, 0 wrong logouts; {told['checks']:,} checks, {told['unknown']:,} unknown (503)"
    )
