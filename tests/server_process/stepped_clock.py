"""Run ``keyturn`` with an adjustable wall clock: ``python stepped_clock.py FILE ...``. FILE holds the offset in s."""

import sys
import time
from pathlib import Path


def step(file: Path) -> None:
    """Patch ``time.time`` to add the offset in ``file``, read at each call."""
    true = time.time

    def off() -> float:
        return true() + float(file.read_text() or 0)

    time.time = off


if __name__ == "__main__":
    step(Path(sys.argv.pop(1)))
    # Imported after the patch: modules bind ``time.time`` on import.
    from keyturn.cli import app

    app()
