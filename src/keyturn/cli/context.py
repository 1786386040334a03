"""Access of commands to the issuer of a data directory."""

from typing import TYPE_CHECKING

from keyturn.cli.accounts import selected_accounts
from keyturn.cli.output import print_lines, stderr

if TYPE_CHECKING:
    from keyturn.config.settings import Settings
    from keyturn.issuer import Issuer


def load_settings(data_dir: str | None, *, create_missing: bool = False) -> "Settings":
    """Load the settings of the data directory and report created files.

    ``create_missing``: create a missing store. Otherwise a missing store raises ``ConfigurationError``: a command that
    worked on a newly created, empty store would report a success without effect.
    """
    from keyturn.config.data_dir import complete_settings, store_of
    from keyturn.config.settings import read_settings
    from keyturn.issuer import DEFAULT_ISSUER
    from keyturn.stores.open import require_store

    settings = read_settings(data_dir=data_dir)
    if not create_missing:
        require_store(store_of(settings))
    prepared = complete_settings(settings, DEFAULT_ISSUER)
    print_lines(prepared.lines, stderr)
    return prepared.settings


def open_issuer(data_dir: str | None, *, create_missing: bool = False) -> "Issuer":
    """Open the issuer that the server of the data directory runs, over the selected accounts.

    The server may be running.
    ``create_missing``: as for ``load_settings``. Raises ``ConfigurationError``, ``StoreUnavailable``.
    """
    from keyturn.config.components import build_components
    from keyturn.issuer import Issuer

    own = selected_accounts().accounts
    issuer = Issuer(load_settings(data_dir, create_missing=create_missing), accounts=own)
    issuer.parts = components = build_components(
        issuer.settings, issuer.config, is_async=False, accounts=issuer.application_accounts
    )
    components.keyring.load(components.store.keys.list())
    return issuer
