"""The tiers of the suite: ``quick``, ``test`` and ``test --long``; run as ``python -m tiers`` by the scripts."""
