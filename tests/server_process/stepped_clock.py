"""``keyturn`` on a wall clock that a test may step: ``python stepped_clock.py FILE ...``. FILE holds seconds off."""

import sys
import time
from pathlib import Path


def step(file: Path) -> None:
    """Have ``time.time`` off by what ``file`` says from now on."""
    true = time.time

    def off() -> float:
        return true() + float(file.read_text() or 0)

    time.time = off


if __name__ == "__main__":
    step(Path(sys.argv.pop(1)))
    # Only now: what it imports takes the clock at its word.
    from keyturn.cli import app

    app()
