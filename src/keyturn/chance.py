"""Chance, from the operating system: workers forked from one process share the state of ``random``, and would all come
back to a server at the same moment."""

from random import SystemRandom

jitter = SystemRandom().random
"""Uniform in [0, 1)."""
