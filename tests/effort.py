"""How much is tried: little in `scripts/test`, more in `scripts/test --long`."""

import os

LONG = "TEST_LONG" in os.environ
"""Set by pytest's option ``--long`` before any test is read."""


def effort(brief: int, long: int) -> int:
    """Return ``long`` under ``--long``, else ``brief``."""
    return long if LONG else brief
