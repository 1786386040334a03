"""What every fault goes through: it begins, lasts, ends, and is judged."""

import fcntl
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import describe

from faults.stage import BOUND_SECONDS, Stage

LASTS_SECONDS = BOUND_SECONDS + 2

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
    answered = [stage.revoke(each, seconds=3) for each in stage.people[1:3]]
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
    give_up_at = time.monotonic() + 20
    while not all(stage.service.ask(sid) for sid in stage.revoked):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    return stage.judge(stage.service.verdicts())


def keep(file: str, name: str, figures: dict[str, Any]) -> None:
    """Write figures to ``$KEYTURN_FIGURES/file.json`` under ``name``, when that is set; tests of two processes may."""
    folder = os.environ.get("KEYTURN_FIGURES")
    if folder is None:
        return
    with (Path(folder) / f"{file}.json").open("a+") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        out.seek(0)
        told = json.loads(out.read() or "{}")
        out.truncate(0)
        json.dump({**told, "machine": describe(), name: figures}, out, indent=1)


def _said(name: str, told: dict[str, Any], seconds: float) -> str:
    return (
        f"fault: {name:<44} recovered {seconds:5.2f} s after its end; {told['revocations']} revocations acknowledged, "
        f"0 lost, 0 accepted late, 0 wrong logouts; {told['checks']:,} checks, {told['unknown']:,} unknown (503)"
    )
