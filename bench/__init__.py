"""Keyturn measured beside its peers, both sides in one run: `python -m bench`."""
