"""Command line: ``keyturn serve`` and the operator's tools."""

from keyturn.cli.extras import missing_extra

try:
    from keyturn.cli.main import app
except ModuleNotFoundError as missing:
    raise missing_extra(missing) from None

__all__ = ["app"]
