"""Disabling and enabling of accounts."""

from dataclasses import replace

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant, Subject
from keyturn.errors import NotFound
from keyturn.flows.effects import Flow, call
from keyturn.flows.revoke import RevocationReceipt, generation_increment
from keyturn.ports import AccountStore
from keyturn.ports.caches import SessionCache


def set_disabled(subject: Subject, disabled: bool, now: Instant, config: IssuerConfig) -> Flow[RevocationReceipt]:
    """Disable or enable an account. Both end every session of the account. Raises ``NotFound``."""
    while True:
        account = yield from call(AccountStore.load, subject)
        if account is None:
            raise NotFound("no such account")
        new_account = replace(account, disabled=disabled, version=account.version + 1)
        entry = yield from call(
            AccountStore.replace_and_revoke, new_account, generation_increment(subject, now, config)
        )
        if entry is not None:
            yield from call(SessionCache.apply_local, entry)
            return RevocationReceipt(entry.sequence, config.profile.token.staleness_seconds)
