"""Benchmarks of Keyturn and its peers, measured in the same run: `python -m bench`."""
