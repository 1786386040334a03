"""Faults of real servers, networks and clocks.

Under each fault: no revoked token is accepted past the bound, no acknowledged revocation is lost, no session ends
without a revocation, and the system recovers without an operator. Recovery times are printed.
"""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from faults.environment import BOUND_SECONDS, FaultTest, ReusableEnvironment, run_fault_test
from faults.fault_run import FAULT_SECONDS, Fault, Note, check_and_record, run_fault, wait_until_all_refused
from faults.tcp_proxy import State, TcpProxy
from services.process import limit_files

Action = Callable[[FaultTest], object]


def _fill_disk_of_postgres(test: FaultTest) -> None:
    limit_files(test.database.process, 4096)


def _empty_disk_of_postgres(test: FaultTest) -> None:
    # PostgreSQL exits when it cannot write its WAL at recovery: an operator restarts it.
    if test.database.running:
        test.database.kill()
    test.database.start()


def _signal_issuer(number: int) -> Action:
    def send(test: FaultTest) -> None:
        assert test.issuer.process is not None
        test.issuer.process.send_signal(number)

    return send


def _freeze(test: FaultTest) -> None:
    test.database.signal(signal.SIGSTOP)


def _thaw(test: FaultTest) -> None:
    test.database.signal(signal.SIGCONT)


def _restart(test: FaultTest) -> None:
    test.database.stop()
    test.database.start()


def _do_nothing(test: FaultTest) -> None:
    pass


def _set_service_proxy(state: State, of: Callable[[FaultTest], TcpProxy] = lambda test: test.service_proxy) -> Action:
    return lambda test: of(test).set_state(state)


def _set_database_proxy(state: State) -> Action:
    return _set_service_proxy(state, lambda test: test.database_proxy)


def _set_service_clock(seconds: float) -> Action:
    return lambda test: test.service.set_clock(seconds)


def _step_issuer_clock(seconds: float) -> Action:
    return lambda test: test.step_issuer_clock(seconds)


def _step_database_clock(seconds: float) -> Action:
    return lambda test: test.step_database_clock(seconds)


CLOCKS: dict[str, Callable[[float], Action]] = {
    "service": _set_service_clock,
    "issuer": _step_issuer_clock,
    "PostgreSQL": _step_database_clock,
}
CLOCK_STEPS = {"10 s": 10, "2 h": 7200, "40 days": 40 * 86_400}
CLOCK_FAULTS = [
    Fault(f"clock of the {whose}: {name} {way}", step(sign * seconds), step(0), revocable=True)
    for whose, step in CLOCKS.items()
    for name, seconds in CLOCK_STEPS.items()
    for way, sign in (("ahead", 1), ("back", -1))
]


FAULTS = [
    Fault("PostgreSQL: kill -9", lambda test: test.database.kill(), lambda test: test.database.start()),
    Fault("PostgreSQL: SIGSTOP", _freeze, _thaw),
    Fault("PostgreSQL: restart", _restart, _do_nothing, revocable=True),
    Fault("PostgreSQL: disk full", _fill_disk_of_postgres, _empty_disk_of_postgres),
    Fault("issuer: kill -9", lambda test: test.issuer.kill(), lambda test: test.issuer.start()),
    Fault("issuer: SIGSTOP", _signal_issuer(signal.SIGSTOP), _signal_issuer(signal.SIGCONT)),
    Fault("network to the service: cut", _set_service_proxy("cut"), _set_service_proxy("whole"), revocable=True),
    Fault(
        "network to the service: packets lost",
        _set_service_proxy("clogged"),
        _set_service_proxy("whole"),
        revocable=True,
    ),
    Fault("network to the service: slow", _set_service_proxy("slow"), _set_service_proxy("whole"), revocable=True),
    Fault("network to PostgreSQL: cut", _set_database_proxy("cut"), _set_database_proxy("whole")),
    Fault("network to PostgreSQL: packets lost", _set_database_proxy("clogged"), _set_database_proxy("whole")),
    Fault("network to PostgreSQL: slow", _set_database_proxy("slow"), _set_database_proxy("whole")),
    Fault("clock of the service: 4 s back", _do_nothing, _set_service_clock(-4), revocable=True),
    Fault("clock of the issuer: 4 s ahead", _step_issuer_clock(4), _step_issuer_clock(0), revocable=True),
    *CLOCK_FAULTS,
]


STAND_INS = {
    "PostgreSQL: SIGSTOP": "issuer: SIGSTOP",
    "issuer: kill -9": "PostgreSQL: kill -9",
    "network to the service: packets lost": "network to PostgreSQL: packets lost",
    "network to PostgreSQL: cut": "network to the service: cut",
    "network to PostgreSQL: slow": "network to the service: slow",
    "clock of the service: 4 s back": "clock of the service: 40 days ahead",
    "clock of the issuer: 4 s ahead": "clock of the issuer: 40 days ahead",
    **{
        each.name: f"{each.name.partition(':')[0]}: 40 days ahead"
        for each in CLOCK_FAULTS
        if "40 days ahead" not in each.name
    },
}
"""One fault of each kind is always tried; those named first are long."""


def as_parameter(fault: Fault) -> object:
    """Return the fault as a parameter, marked long where another of its kind stands in."""
    marks = ()
    if fault.name in STAND_INS:
        test = "test_a_fault_causes_no_late_accept_lost_revocation_or_logout"
        marks = (pytest.mark.long(stands_in=f"tests/faults/test_faults.py::{test}[{STAND_INS[fault.name]}]"),)
    return pytest.param(fault, marks=marks, id=fault.name)


@pytest.fixture(scope="module")
def reusable_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReusableEnvironment]:
    """Share one environment between all faults. Each must leave it working, which its recovery check proves."""
    reusable_environment = ReusableEnvironment(tmp_path_factory.mktemp("kept"))
    yield reusable_environment
    reusable_environment.end()


@pytest.mark.parametrize("fault", [as_parameter(each) for each in FAULTS])
def test_a_fault_causes_no_late_accept_lost_revocation_or_logout(
    fault: Fault, reusable_environment: ReusableEnvironment, record_property: Note
) -> None:
    with reusable_environment.run_fault_test() as test:
        run_fault(test, fault, record_property)


def test_a_full_disk(tmp_path: Path, record_property: Note) -> None:
    with run_fault_test(tmp_path, postgres=False) as test:
        assert test.revoke(test.users[0])
        limit_files(test.issuer.process, 4096)
        assert not test.revoke(test.users[1])
        bearer = {"authorization": f"Bearer {test.users[2].access_token}"}
        assert httpx.get(test.issuer.url + "/auth/session", headers=bearer, timeout=30).status_code == 200
        time.sleep(FAULT_SECONDS)
        limit_files(test.issuer.process, None)
        check_and_record(test, "disk of the issuer (SQLite): full", test.wait_for_recovery(), record_property)


# --- these tests can fail --------------------------------------------------------------------------------------


def test_a_service_that_does_not_keep_its_bound_is_caught(reusable_environment: ReusableEnvironment) -> None:
    """Use a service that trusts a feed for five minutes after it went silent."""
    with reusable_environment.run_fault_test(staleness_seconds=300.0) as test:
        test.service_proxy.set_state("cut")
        assert test.revoke(test.users[0])
        time.sleep(BOUND_SECONDS + 1)
        test.service_proxy.set_state("whole")
        with pytest.raises(AssertionError, match="accepted after the bound"):
            wait_until_all_refused(test)


def test_a_lost_revocation_and_a_wrong_logout_are_caught(reusable_environment: ReusableEnvironment) -> None:
    with reusable_environment.run_fault_test() as test:
        assert test.revoke(test.users[0])
        verdicts = wait_until_all_refused(test)
        at = test.revoked.pop(test.users[0].sid)
        with pytest.raises(AssertionError, match="ended without a revocation"):
            test.check({**_none_of(verdicts), "others": []})
        test.revoked |= {test.users[0].sid: at, test.users[1].sid: time.monotonic()}
        with pytest.raises(AssertionError, match="an acknowledged revocation is gone"):
            test.check({**_none_of(verdicts), "others": []})


def _none_of(verdicts: dict[str, object]) -> dict[str, object]:
    return {**verdicts, "accepted": {}, "refused": {}}
