"""POST /auth/accounts/disable and /auth/accounts/enable, for administrators of Keyturn."""

from keyturn.core.types import Instant, Subject
from keyturn.errors import InvalidMember
from keyturn.flows.accounts import find_account, set_disabled
from keyturn.flows.administrators import require_administrator
from keyturn.flows.effects import Flow
from keyturn.web.config import WebConfig
from keyturn.web.guard import guard
from keyturn.web.message import NO_STORE, Reply, Request, json_reply
from keyturn.web.parse import read_json
from keyturn.web.schemas import AccountRequest, AccountResponse


def post_disable(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Disable an account and end its sessions."""
    return (yield from _set_disabled(request, True, now, config))


def post_enable(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Enable an account. No earlier session or token comes back."""
    return (yield from _set_disabled(request, False, now, config))


def _set_disabled(request: Request, disabled: bool, now: Instant, config: WebConfig) -> Flow[Reply]:
    administrator = yield from guard(request, now, config)
    # Before the body is read: another caller learns nothing about accounts.
    yield from require_administrator(administrator, now, config.issuer_config)
    body = read_json(request, AccountRequest)
    if (body.subject is None) == (body.email is None):
        raise InvalidMember("subject", "sent, or `email` instead of it")
    subject = None if body.subject is None else Subject(body.subject)
    account = yield from find_account(subject, body.email, config.issuer_config)
    by = f"by {administrator.subject} in session {administrator.sid}"
    receipt = yield from set_disabled(
        account.subject, disabled, now, config.issuer_config, by=by, address=request.address
    )
    answer = AccountResponse(
        subject=account.subject,
        disabled=disabled,
        sequence=receipt.sequence,
        within_seconds=receipt.within_seconds,
    )
    return json_reply(200, answer, NO_STORE)
