"""Rules for choosing a password (NIST SP 800-63B-4 section 3.1.1.2), with the blocklist that ships with Keyturn."""

from collections.abc import Collection
from functools import cache
from importlib.resources import files

from keyturn.core.password import validate_password
from keyturn.core.password_strength import Blocklist
from keyturn.core.policy import PasswordPolicy


class NistPasswordRules:
    """The ``PasswordRules`` port. ``service_names``: names of the service; passwords built on them are refused."""

    def __init__(
        self,
        policy: PasswordPolicy | None = None,
        *,
        service_names: Collection[str] = (),
        blocklist: Blocklist | None = None,
    ) -> None:
        self._policy = policy or PasswordPolicy()
        self._service_names = tuple(service_names)
        self._blocklist = blocklist or load_blocklist()

    def validate(self, password: str, identifier: str) -> None:
        """Raise ``PasswordRejected``, with a reason that is safe to show, for a password the rules forbid."""
        validate_password(password, identifier, self._policy, self._blocklist, self._service_names)


@cache
def load_blocklist() -> Blocklist:
    """Load the blocklist that ships with Keyturn (``keyturn/data/blocklist.txt``)."""
    text = files("keyturn").joinpath("data", "blocklist.txt").read_text(encoding="utf-8")
    return Blocklist(line for line in text.splitlines() if line and not line.startswith("#"))
