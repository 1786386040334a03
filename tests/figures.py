"""Figures that tests measure, kept where ``KEYTURN_FIGURES`` names a folder."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from bench.machine import describe


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
