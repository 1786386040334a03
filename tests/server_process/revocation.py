"""Watch a verifier until it refuses what was revoked."""

import time

from keyturn import Verifier
from keyturn.errors import Refusal, TokenRevoked

PATIENCE_SECONDS = 30.0


def last_accepted_at(verify: Verifier, token: str, tolerated: tuple[type[Refusal], ...] = ()) -> float:
    """Ask until ``token`` is refused as revoked. Return when the last call that accepted it began (monotonic).

    ``tolerated``: other refusals that may be met on the way. Raises ``AssertionError`` if it is never refused.
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
    raise AssertionError("it was never refused")
