"""The issuer an operator's command works with: the one the server of this data folder is."""

from keyturn.compose.home import complete_settings
from keyturn.compose.parts import build_parts
from keyturn.compose.settings import read_settings
from keyturn.issuer import DEFAULT_ISSUER, Issuer


def operator(data: str | None) -> Issuer:
    """Open the store directly; the server may be running. Raises ``ConfigurationError``, ``StoreUnavailable``."""
    parts = build_parts(complete_settings(read_settings(data=data), DEFAULT_ISSUER).settings, awaited=False)
    parts.ring.install(parts.store.keys.list())
    return Issuer(parts)
