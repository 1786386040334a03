"""Accounts: close the door on one, or open it again."""

from dataclasses import replace as changed

from keyturn.core.instant import Instant, Subject
from keyturn.core.realm import IssuerConfig
from keyturn.errors import NotFound
from keyturn.flows import asks
from keyturn.flows.revoke import Revoked, voiding
from keyturn.flows.step import Flow


def set_disabled(subject: Subject, disabled: bool, now: Instant, realm: IssuerConfig) -> Flow[Revoked]:
    """Disable or enable an account; either way every session it had ends. Raises ``NotFound``."""
    while True:
        account = yield from asks.account_of(subject)
        if account is None:
            raise NotFound("no such account")
        replaced = changed(account, disabled=disabled, version=account.version + 1)
        entry = yield from asks.replace_account_and_void(replaced, voiding(subject, now, realm))
        if entry is not None:
            yield from asks.note(entry)
            return Revoked(entry.sequence, realm.profile.token.staleness_seconds)
