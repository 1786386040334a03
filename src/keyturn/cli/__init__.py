"""Command line interface: ``keyturn serve`` and tools for operators."""

from keyturn.cli.extras import missing_extra

try:
    from keyturn.cli.main import app
except ModuleNotFoundError as missing:
    raise missing_extra(missing) from None

__all__ = ["app"]
