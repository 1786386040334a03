"""Access of commands to the issuer of a data directory."""

from typing import TYPE_CHECKING, cast

from keyturn.cli.output import print_lines, stderr
from keyturn.core.account import normalise_identifier
from keyturn.core.types import Subject
from keyturn.errors import NotFound

if TYPE_CHECKING:
    from keyturn.config.settings import Settings
    from keyturn.core.account import Account
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
    """Open the issuer that the server of the data directory runs. The server may be running.

    ``create_missing``: as for ``load_settings``. Raises ``ConfigurationError``, ``StoreUnavailable``.
    """
    from keyturn.config.components import build_components
    from keyturn.issuer import Issuer

    issuer = Issuer(load_settings(data_dir, create_missing=create_missing))
    issuer.parts = components = build_components(issuer.settings, issuer.config, is_async=False)
    components.keyring.load(components.store.keys.list())
    return issuer


def require_account(issuer: "Issuer", subject_or_email: str) -> "Account":
    """Return the account with this subject or e-mail address. Raises ``NotFound``.

    A misspelt name must not be reported as revoked or disabled: during a leak the operator would rely on it.
    """
    accounts = issuer.parts.sync_store.accounts
    if "@" in subject_or_email:
        account = accounts.find(normalise_identifier(subject_or_email))
    else:
        account = accounts.load(Subject(subject_or_email))
    if account is None:
        raise NotFound(f"no account has the subject or address {subject_or_email}")
    return cast("Account", account)
