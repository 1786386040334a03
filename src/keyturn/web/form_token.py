"""CSRF tokens of HTML forms: the one that a page puts into its hidden field, and the check of it at a login."""

from dataclasses import replace
from typing import NamedTuple

from keyturn.core.cookie import set_cookie
from keyturn.core.form_token import (
    FORM_ID_BYTES,
    FORM_SECONDS,
    check_form_token,
    is_form_id,
    new_form_id,
    seal_form_token,
)
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.sealed import CredentialKind, PlaintextToken
from keyturn.core.types import Instant
from keyturn.errors import BadRequest, CsrfTokenRequired
from keyturn.flows.csrf import csrf_token_of, verify_csrf_token
from keyturn.flows.effects import Flow, call
from keyturn.ports import Entropy
from keyturn.web.config import WebConfig
from keyturn.web.credentials import read_cookie
from keyturn.web.guard import Caller, authenticate_optional, is_form_token_required
from keyturn.web.message import Request


class FormToken(NamedTuple):
    """CSRF token of a page's forms.

    ``token``: value of the hidden field ``csrf_token``. ``cookies``: Set-Cookie header values to send with the page.
    """

    token: PlaintextToken
    cookies: tuple[str, ...] = ()


def form_token(request: Request, now: Instant, config: WebConfig) -> Flow[FormToken]:
    """Return the token for the forms of the page that answers ``request``.

    Within a login, the token of its session. Before one, a token that is bound to a short-lived cookie; a cookie that
    the browser has is kept, so that the forms of its other tabs stay valid.
    Raises ``Unavailable`` if a cookie cannot be checked, ``HeadersTooLarge``.
    """
    caller = yield from _caller_by_cookie(request, now, config)
    if caller is not None:
        return FormToken((yield from csrf_token_of(caller.principal.sid, config.issuer_config, caller.session)))
    form_id = _form_id(request, config.issuer_config)
    if form_id is None:
        form_id = new_form_id((yield from call(Entropy.token_bytes, FORM_ID_BYTES)))
    token = seal_form_token(form_id, now, config.issuer_config.secrets)
    return FormToken(token, (_form_cookie(form_id, config.issuer_config),))


def require_form_token(request: Request, now: Instant, config: WebConfig) -> Flow[None]:
    """Raise ``CsrfTokenRequired`` if a form of sign-up or login needs a token and has none, or a wrong one.

    The token of a session is accepted, too: a page may have been shown within a login.
    """
    if not is_form_token_required(request, config):
        return
    text = request.form_token or ""
    if text.startswith(f"kt_{CredentialKind.CSRF}_"):
        yield from _require_session_token(request, text, now, config)
    else:
        form_id = _form_id(request, config.issuer_config)
        check_form_token(text, form_id, now, config.issuer_config.secrets)


def _require_session_token(request: Request, text: str, now: Instant, config: WebConfig) -> Flow[None]:
    caller = yield from _caller_by_cookie(request, now, config)
    if caller is None:
        raise CsrfTokenRequired("the CSRF token of a session that is not live")
    yield from verify_csrf_token(text, caller.principal.sid, config.issuer_config, caller.session)


def _caller_by_cookie(request: Request, now: Instant, config: WebConfig) -> Flow[Caller | None]:
    """Authenticate the cookies. Dead, malformed and repeated ones count as none.

    A form sends no bearer token, so the page must not be made for the principal of one.
    """
    headers = tuple(each for each in request.headers if each[0] != b"authorization")
    return (yield from authenticate_optional(replace(request, method="GET", headers=headers), now, config))


def _form_id(request: Request, config: IssuerConfig) -> str | None:
    try:
        text = read_cookie(request, "form", config)
    except BadRequest:
        return None
    return text if text is not None and is_form_id(text) else None


def _form_cookie(form_id: str, config: IssuerConfig) -> str:
    policy = config.profile.cookie
    return set_cookie(
        policy.name("form"),
        form_id,
        max_age_seconds=FORM_SECONDS,
        same_site=policy.same_site,
        secure=policy.secure,
    )
