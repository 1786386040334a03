"""What every fault goes through: it begins, lasts, ends, and is judged."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faults.environment import BOUND_SECONDS, Stage
from figures import keep
from services.process import until

LASTS_SECONDS = BOUND_SECONDS + 2
PATIENCE_SECONDS = 60.0

Note = Callable[[str, object], None]


@dataclass(frozen=True)
class Fault:
    """``begin`` and ``end`` of it. ``revocable``: whether revocations are expected to go through meanwhile."""

    name: str
    begin: Callable[[Stage], object]
    end: Callable[[Stage], object]
    revocable: bool = False


def endure(stage: Stage, fault: Fault, note: Note) -> None:
    """Revoke before it, try to revoke within it, and judge when all works again."""
    assert stage.revoke(stage.people[0])
    fault.begin(stage)
    began_at = time.monotonic()
    # What goes through may take a busy machine a while; what does not, is not waited for.
    answered = [stage.revoke(each, seconds=20 if fault.revocable else 3) for each in stage.people[1:3]]
    if fault.revocable:
        assert any(answered)
    time.sleep(max(0.0, began_at + LASTS_SECONDS - time.monotonic()))
    fault.end(stage)
    conclude(stage, fault.name, stage.recovered(), note)


def conclude(stage: Stage, name: str, seconds: float, note: Note) -> None:
    """Judge, and say so. ``seconds``: how long the recovery took."""
    told = refused_by_all(stage)
    note("figure", _said(name, told, seconds))
    nothing = {"lost": 0, "accepted_after_bound": 0, "wrong_logouts": 0}
    keep("faults", name, {**told, **nothing, "recovered_seconds": round(seconds, 3)})


def refused_by_all(stage: Stage) -> dict[str, Any]:
    """Wait until the service has refused all that was revoked, and judge."""
    until(lambda: all(map(stage.service.ask, stage.revoked)), lambda: "not all was refused", PATIENCE_SECONDS)
    return stage.judge(stage.service.verdicts())


def _said(name: str, told: dict[str, Any], seconds: float) -> str:
    return (
        f"fault: {name:<44} recovered {seconds:5.2f} s after its end; {told['revocations']} revocations acknowledged, "
        f"0 lost, 0 accepted late, 0 wrong logouts; {told['checks']:,} checks, {told['unknown']:,} unknown (503)"
    )
