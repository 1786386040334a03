"""The issuer an operator's command works with: the one the server of this data folder is."""

from keyturn.cli.speak import announce, complaints
from keyturn.compose.home import complete_settings
from keyturn.compose.parts import build_parts
from keyturn.compose.settings import Settings, read_settings
from keyturn.errors import ConfigurationError
from keyturn.issuer import DEFAULT_ISSUER, Issuer


def furnished(data: str | None) -> Settings:
    """The settings of this data folder. What had to be made is said: a misspelt ``--data`` makes a new, empty one."""
    made = complete_settings(read_settings(data=data), DEFAULT_ISSUER)
    announce(made.lines, complaints)
    return made.settings


def operator(data: str | None, *, makes: bool = False) -> Issuer:
    """Open the store directly; the server may be running. ``makes``: a store, where there is none.

    Raises ``ConfigurationError``, ``StoreUnavailable``.
    """
    settings = read_settings(data=data)
    if not (makes or settings.store or settings.folder.exists()):
        # To revoke in a store that this very command made would be false comfort.
        raise ConfigurationError(
            f"there is no data folder {settings.folder.absolute()}; "
            "run this where the server runs, or name its folder with --data"
        )
    parts = build_parts(furnished(data), awaited=False)
    parts.ring.install(parts.store.keys.list())
    return Issuer(parts)
