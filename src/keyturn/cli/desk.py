"""The issuer an operator's command works with: the one the server of this data folder is."""

from keyturn.cli.speak import announce, complaints
from keyturn.compose.home import complete_settings
from keyturn.compose.parts import build_parts
from keyturn.compose.settings import Settings, read_settings
from keyturn.issuer import DEFAULT_ISSUER, Issuer


def furnished(data: str | None) -> Settings:
    """The settings of this data folder. What had to be made is said: a misspelt ``--data`` makes a new, empty one."""
    made = complete_settings(read_settings(data=data), DEFAULT_ISSUER)
    announce(made.lines, complaints)
    return made.settings


def operator(data: str | None) -> Issuer:
    """Open the store directly; the server may be running. Raises ``ConfigurationError``, ``StoreUnavailable``."""
    parts = build_parts(furnished(data), awaited=False)
    parts.ring.install(parts.store.keys.list())
    return Issuer(parts)
