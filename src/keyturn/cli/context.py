"""The issuer an operator's command works with: the one the server of this data folder is."""

from typing import TYPE_CHECKING

from keyturn.cli.output import print_lines, stderr

if TYPE_CHECKING:
    from keyturn.config.settings import Settings
    from keyturn.issuer import Issuer


def load_settings(data_dir: str | None, *, makes: bool = False) -> "Settings":
    """The settings of this data folder. ``makes``: what is missing, the store included, and says so.

    Raises ``ConfigurationError``, also where there is no store: what is done in one that this very command made is
    false comfort.
    """
    from keyturn.config.data_dir import complete_settings, store_of
    from keyturn.config.settings import read_settings
    from keyturn.issuer import DEFAULT_ISSUER
    from keyturn.stores.open import require_store

    settings = read_settings(data_dir=data_dir)
    if not makes:
        require_store(store_of(settings))
    made = complete_settings(settings, DEFAULT_ISSUER)
    print_lines(made.lines, stderr)
    return made.settings


def open_issuer(data_dir: str | None, *, makes: bool = False) -> "Issuer":
    """Open the store directly; the server may be running. ``makes``: as for ``furnished``.

    Raises ``ConfigurationError``, ``StoreUnavailable``.
    """
    from keyturn.config.components import build_components
    from keyturn.issuer import Issuer

    parts = build_components(load_settings(data_dir, makes=makes), awaited=False)
    parts.keyring.load(parts.store.keys.list())
    return Issuer(parts)
