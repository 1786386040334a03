"""Measure and size a Keyturn installation: ``keyturn compare`` and ``keyturn capacity``."""
