"""Commands that this distribution adds to ``keyturn`` through the entry point group ``keyturn.commands``."""
