"""Run one fault: begin it, wait past the staleness bound, end it, check the invariants."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faults.environment import BOUND_SECONDS, FaultTest
from figures import keep
from services.process import until

FAULT_SECONDS = BOUND_SECONDS + 2
PATIENCE_SECONDS = 60.0

Note = Callable[[str, object], None]


@dataclass(frozen=True)
class Fault:
    """A fault. ``revocable``: True if revocations are expected to succeed while it lasts."""

    name: str
    begin: Callable[[FaultTest], object]
    end: Callable[[FaultTest], object]
    revocable: bool = False


def run_fault(test: FaultTest, fault: Fault, note: Note) -> None:
    """Revoke a user before the fault and try to revoke others during it. Check the invariants after recovery."""
    assert test.revoke(test.users[0])
    fault.begin(test)
    began_at = time.monotonic()
    # A successful revocation may be slow on a busy machine; one that cannot succeed gets a short deadline.
    answered = [test.revoke(each, seconds=20 if fault.revocable else 3) for each in test.users[1:3]]
    if fault.revocable:
        assert any(answered)
    time.sleep(max(0.0, began_at + FAULT_SECONDS - time.monotonic()))
    fault.end(test)
    check_and_record(test, fault.name, test.wait_for_recovery(), note)


def check_and_record(test: FaultTest, name: str, seconds: float, note: Note) -> None:
    """Check the invariants and record the figures. ``seconds``: duration of the recovery."""
    verdicts = wait_until_all_refused(test)
    note("figure", _summary(name, verdicts, seconds))
    nothing = {"lost": 0, "accepted_after_bound": 0, "wrong_logouts": 0}
    keep("faults", name, {**verdicts, **nothing, "recovered_seconds": round(seconds, 3)})


def wait_until_all_refused(test: FaultTest) -> dict[str, Any]:
    """Wait until the service has refused every revoked token, then check the invariants."""
    until(lambda: all(map(test.service.has_refused, test.revoked)), lambda: "not all was refused", PATIENCE_SECONDS)
    return test.check(test.service.verdicts())


def _summary(name: str, verdicts: dict[str, Any], seconds: float) -> str:
    return (
        f"fault: {name:<44} recovered {seconds:5.2f} s after its end; {verdicts['revocations']} revocations "
        f"acknowledged, 0 lost, 0 accepted late, 0 wrong logouts; {verdicts['checks']:,} checks, "
        f"{verdicts['unknown']:,} unknown (503)"
    )
