"""Measure how long a verifier accepts a revoked token."""

import time

from keyturn import Verifier
from keyturn.errors import Refusal, TokenRevoked

PATIENCE_SECONDS = 30.0


def last_accepted_at(verify: Verifier, token: str, tolerated: tuple[type[Refusal], ...] = ()) -> float:
    """Verify ``token`` until it is refused as revoked. Return the monotonic start time of the last accepting call.

    ``tolerated``: other refusals that may occur meanwhile. Raises ``AssertionError`` after ``PATIENCE_SECONDS``.
    """
    last, began_at = 0.0, time.monotonic()
    give_up_at = began_at + PATIENCE_SECONDS
    while began_at < give_up_at:
        try:
            verify(token)
            last = began_at
        except TokenRevoked:
            return last
        except tolerated:
            pass
        time.sleep(0.01)
        began_at = time.monotonic()
    raise AssertionError(f"the token was not refused within {PATIENCE_SECONDS:g} s")
