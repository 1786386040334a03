"""Run ``keyturn`` with an adjustable wall clock: ``python stepped_clock.py FILE ...``.

FILE holds the offset in seconds. With the word ``all`` after it, the clock of the suspended machine is shifted as well:
the process lives at another time, and its clocks agree.
"""

import sys
import time
from pathlib import Path


def step(file: Path) -> None:
    """Patch ``time.time`` and ``time.clock_gettime`` to add the offset in ``file``, read at each call."""
    wall, clock = time.time, time.clock_gettime

    def offset(word: str = "") -> float:
        text = file.read_text()
        return float(text.split()[0]) if text.strip() and word in text else 0.0

    def shifted(number: int) -> float:
        return clock(number) + (offset("all") if number == time.CLOCK_BOOTTIME else 0.0)

    time.time = lambda: wall() + offset()
    time.clock_gettime = shifted


if __name__ == "__main__":
    step(Path(sys.argv.pop(1)))
    # Imported after the patch: modules bind ``time.time`` on import.
    from keyturn.cli import app

    app()
