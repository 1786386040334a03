"""Chance, from the operating system: workers forked from one process share the state of ``random``, and would all come
back to a server at the same moment."""

from functools import partial
from random import SystemRandom
from secrets import token_urlsafe

jitter = SystemRandom().random
"""Uniform in [0, 1)."""

nonce = partial(token_urlsafe, 16)
"""Text that nobody can foretell and that does not come twice: 128 bits."""
