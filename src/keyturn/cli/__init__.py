"""Command line: ``keyturn serve`` and the operator's tools."""

from keyturn.cli.main import app

__all__ = ["app"]
