"""Command line: ``keyturn serve`` and the operator's tools."""

try:
    from keyturn.cli.main import app
except ModuleNotFoundError as missing:
    extras = "pip install 'keyturn[server,cli]'"
    raise SystemExit(f"the keyturn command needs {missing.name}, which this installation lacks: {extras}") from None

__all__ = ["app"]
