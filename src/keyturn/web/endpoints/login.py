"""POST /auth/signup and /auth/login."""

from collections.abc import Callable

from keyturn.core.audience import read_names
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import DELIVERIES, Deliver
from keyturn.core.session import ClientInfo
from keyturn.core.types import Instant
from keyturn.errors import BadRequest
from keyturn.flows.create_session import LoginAttempt
from keyturn.flows.effects import Flow
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login as log_in
from keyturn.flows.signup import signup as sign_up
from keyturn.web.client_address import client_label
from keyturn.web.config import WebConfig
from keyturn.web.credentials import CookieRole, read_cookie
from keyturn.web.guard import refuse_cross_origin_login, require_tokens
from keyturn.web.message import Reply, Request
from keyturn.web.parse import read_body
from keyturn.web.previous_cookies import find_previous_cookies
from keyturn.web.replies import issued_reply
from keyturn.web.schemas import LoginForm, LoginRequest

"""Length of the User-Agent in the list of sessions, in characters."""


_LoginFlow = Callable[[LoginAttempt, Instant, IssuerConfig], Flow[IssuedCredentials]]


def post_signup(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Create an account and log in to it."""
    return (yield from _run(sign_up, 201, request, now, config))


def post_login(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Log in with a password."""
    return (yield from _run(log_in, 200, request, now, config))


def _run(entrance: _LoginFlow, status: int, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    # Login CSRF: another site must not log this browser in to the attacker's account. The attack needs no cookie.
    refuse_cross_origin_login(request, config)
    body = read_body(request, LoginRequest, LoginForm)
    deliver = _delivery(body, config.issuer_config)
    require_tokens(request, deliver, config)
    previous = _find_previous(request, deliver, config.issuer_config)
    attempt = LoginAttempt(
        body.email,
        body.password,
        deliver=deliver,
        client=ClientInfo(body.client_id, client_label(request.values(b"user-agent")), request.address),
        resource=None if body.resource is None else read_names("resource", body.resource),
        scope=body.scope or "",
        device_token=_read_cookie_or_none(request, "device", config),
        replaces=tuple(filter(None, previous.values())),
    )
    issued = yield from entrance(attempt, now, config.issuer_config)
    return issued_reply(status, issued, now, config.issuer_config, previous)


def _delivery(body: LoginRequest | LoginForm, config: IssuerConfig) -> Deliver | None:
    return config.form_delivery if isinstance(body, LoginForm) and body.deliver is None else body.deliver


def _find_previous(request: Request, deliver: Deliver | None, config: IssuerConfig) -> dict[str, str]:
    """Return the cookies of the login that this one replaces. A login for tokens replaces none."""
    is_for_tokens = (deliver or DELIVERIES[config.credentials][0]) == "tokens"
    return {} if is_for_tokens else find_previous_cookies(request, config)


def _read_cookie_or_none(request: Request, role: CookieRole, config: WebConfig) -> str | None:
    try:
        return read_cookie(request, role, config.issuer_config)
    except BadRequest:
        # Cookie tossing (a sibling domain plants a second cookie) must not prevent a login: ignore ambiguous cookies.
        return None
