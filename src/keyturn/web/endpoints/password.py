"""POST /auth/password and /auth/step-up: endpoints that take the password within a session."""

from keyturn.core.policy import Deliver
from keyturn.core.sealed import CredentialKind, parse
from keyturn.core.types import Instant, SessionId
from keyturn.errors import Refusal
from keyturn.flows.effects import Flow
from keyturn.flows.password import change_password
from keyturn.flows.step_up import confirm_password
from keyturn.web.config import WebConfig
from keyturn.web.credentials import read_cookie
from keyturn.web.guard import Caller, authenticate
from keyturn.web.message import Reply, Request
from keyturn.web.parse import read_body
from keyturn.web.replies import issued_reply
from keyturn.web.schemas import PasswordForm, PasswordRequest, StepUpForm, StepUpRequest


def post_password(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Change the password and end every other session of the caller."""
    caller = yield from authenticate(request, now, config)
    body = read_body(request, PasswordRequest, PasswordForm)
    deliver = _delivery(request, caller, config)
    changing = change_password(
        caller.principal.sid, body.current_password, body.new_password, deliver, now, config.issuer_config
    )
    return issued_reply(200, (yield from changing), now, config.issuer_config)


def post_step_up(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Confirm the password, so that the session counts as freshly authenticated (RFC 9470)."""
    caller = yield from authenticate(request, now, config)
    body = read_body(request, StepUpRequest, StepUpForm)
    deliver = _delivery(request, caller, config)
    confirming = confirm_password(caller.principal.sid, body.password, deliver, now, config.issuer_config)
    return issued_reply(200, (yield from confirming), now, config.issuer_config)


def _delivery(request: Request, caller: Caller, config: WebConfig) -> Deliver:
    """Return the delivery that the request used.

    ``both`` if the bearer token's session is also in a session cookie: a renewal invalidates every earlier session
    token, so the cookie must be renewed, too.
    """
    if caller.credential.cookie:
        return "cookie" if caller.credential.kind == "session" else "token-cookies"
    return "both" if _session_cookie_of(request, config) == caller.principal.sid else "tokens"


def _session_cookie_of(request: Request, config: WebConfig) -> SessionId | None:
    try:
        text = read_cookie(request, "session", config.issuer_config)
        return parse(text, CredentialKind.SESSION, config.issuer_config.secrets).sid if text else None
    except Refusal:
        return None
