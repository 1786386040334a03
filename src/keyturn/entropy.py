"""Random numbers from the operating system.

Workers forked from one process share the state of ``random``: with it, all would retry at the same time.
"""

from functools import partial
from random import SystemRandom
from secrets import token_urlsafe

jitter = SystemRandom().random
"""Random float, uniform in [0, 1)."""

nonce = partial(token_urlsafe, 16)
"""Unpredictable, unique text: 128 random bits in base64url."""
