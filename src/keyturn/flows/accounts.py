"""Administration of accounts: look-up, disabling and enabling, and the scopes that are stored with an account."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from keyturn.core.account import Account, own_identifier
from keyturn.core.audit import AuditEventType
from keyturn.core.grants import parse_scope
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant, Subject
from keyturn.errors import Forbidden, InvalidMember, NotFound
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.flows.revoke import RevocationReceipt, generation_increment
from keyturn.ports import AccountStore
from keyturn.ports.caches import SessionCache

MAX_ACCOUNTS = 1000
"""Most accounts of one page."""

_SCOPES_THERE = "The scopes of this account are the application's: change them there."
_NOT_FOUND = "No account has this subject or identifier."


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """Account as shown to an operator, without its password hash."""

    subject: Subject
    identifier: str
    created_at: Instant
    disabled: bool
    scope: str
    is_admin: bool


def account_summary(account: Account) -> AccountSummary:
    """Return what an operator may see of ``account``."""
    times = (account.created_at, account.disabled)
    return AccountSummary(account.subject, account.identifier, *times, account.scope, account.is_admin)


def find_account(subject: Subject | None, identifier: str | None, config: IssuerConfig) -> Flow[Account]:
    """Load an account by its subject, or by its identifier if ``subject`` is None. Raises ``NotFound``."""
    if subject is not None:
        account = yield from call(AccountStore.load, subject)
    else:
        account = yield from call(AccountStore.find, config.normalise_identifier(identifier or ""))
    if account is None:
        raise NotFound(f"no account has the subject or identifier {subject or identifier}", hint=_NOT_FOUND)
    return account


def list_accounts(after: Subject, limit: int) -> Flow[list[AccountSummary]]:
    """Return at most ``limit`` accounts, in the order of their subjects, after the subject ``after``.

    ``limit`` is at most ``MAX_ACCOUNTS``. Raises ``NotFound`` for accounts of an application.
    """
    if not 1 <= limit <= MAX_ACCOUNTS:
        raise InvalidMember("limit", f"a number from 1 to {MAX_ACCOUNTS}")
    return [account_summary(each) for each in (yield from call(AccountStore.list, after, limit))]


def set_disabled(
    subject: Subject, disabled: bool, now: Instant, config: IssuerConfig, *, by: str = "", address: str = ""
) -> Flow[RevocationReceipt]:
    """Disable or enable an account. Both end every session of the account. Raises ``NotFound``.

    ``by`` and ``address``: of the administrator who does it, for the audit log; empty for the application itself.
    """
    sequence = yield from _change(subject, lambda each: replace(each, disabled=disabled), lambda _: True, now, config)
    event = AuditEventType.ACCOUNT_DISABLED if disabled else AuditEventType.ACCOUNT_ENABLED
    yield from effects.record_event(event, now, subject, address=address, detail=by)
    return RevocationReceipt(sequence, config.profile.token.staleness_seconds)


def set_scope(subject: Subject, scope: str, now: Instant, config: IssuerConfig) -> Flow[None]:
    """Store the scopes that logins of an account are granted. Sessions end if one of the former scopes is missing.

    Raises ``NotFound``, ``InvalidScope``; ``Forbidden`` for an account of an application, which grants them itself.
    """
    names = parse_scope(scope)

    def change(account: Account) -> Account:
        if config.has_own_accounts or account.identifier == own_identifier(subject):
            raise Forbidden(f"{subject} is an account of the application", hint=_SCOPES_THERE)
        return replace(account, scope=" ".join(names))

    def is_narrower(account: Account) -> bool:
        return not set(account.scope.split()).issubset(names)

    yield from _change(subject, change, is_narrower, now, config)


def set_admin(subject: Subject, is_admin: bool, now: Instant, config: IssuerConfig) -> Flow[None]:
    """Allow an account to administer Keyturn, or forbid it. Only the command line calls this. Raises ``NotFound``."""
    yield from _change(subject, lambda each: replace(each, is_admin=is_admin), lambda _: False, now, config)


def _change(
    subject: Subject,
    change: Callable[[Account], Account],
    ends_sessions: Callable[[Account], bool],
    now: Instant,
    config: IssuerConfig,
) -> Flow[int]:
    """Compare and swap an account. Return the sequence number of the revocation of its sessions, or 0."""
    while True:
        account = yield from find_account(subject, None, config)
        new_account = replace(change(account), version=account.version + 1)
        if not ends_sessions(account):
            if (yield from call(AccountStore.replace, new_account)):
                return 0
            continue
        increment = generation_increment(subject, now, config)
        entry = yield from call(AccountStore.replace_and_revoke, new_account, increment)
        if entry is not None:
            yield from call(SessionCache.apply_local, entry)
            return entry.sequence
