"""Accounts: close the door on one, or open it again."""

from dataclasses import replace as changed

from keyturn.core.instant import Instant, Subject
from keyturn.core.realm import IssuerConfig
from keyturn.errors import NotFound
from keyturn.flows import asks
from keyturn.flows.revoke import RevocationReceipt, generation_increment
from keyturn.flows.step import Flow


def set_disabled(subject: Subject, disabled: bool, now: Instant, realm: IssuerConfig) -> Flow[RevocationReceipt]:
    """Disable or enable an account; either way every session it had ends. Raises ``NotFound``."""
    while True:
        account = yield from asks.load_account(subject)
        if account is None:
            raise NotFound("no such account")
        replaced = changed(account, disabled=disabled, version=account.version + 1)
        entry = yield from asks.replace_account_and_revoke(replaced, generation_increment(subject, now, realm))
        if entry is not None:
            yield from asks.apply_local(entry)
            return RevocationReceipt(entry.sequence, realm.profile.token.staleness_seconds)
