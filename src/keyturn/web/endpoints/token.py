"""POST /auth/token: the refresh grant, with the token in the body or, for token-cookies, in a cookie."""

from keyturn.core.sealed import CredentialKind, parse
from keyturn.core.types import Instant
from keyturn.errors import InvalidMember, UnsupportedGrantType
from keyturn.flows.effects import Flow
from keyturn.flows.refresh import refresh
from keyturn.web.config import WebConfig
from keyturn.web.credentials import read_cookie
from keyturn.web.guard import refuse_cross_origin, require_csrf_token
from keyturn.web.message import Reply, Request
from keyturn.web.parse import read_form
from keyturn.web.replies import issued_reply
from keyturn.web.schemas import TokenRequest

GRANT_TYPES = ("refresh_token",)


def post_token(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Exchange a refresh token for new tokens (RFC 6749 section 6)."""
    form = read_form(request, TokenRequest, repeatable=("resource",))
    if form.grant_type not in GRANT_TYPES:
        raise UnsupportedGrantType("another grant_type")
    if form.refresh_token is not None:
        deliver = config.issuer_config.resolve_delivery("tokens")
        text = form.refresh_token
    else:
        deliver = config.issuer_config.resolve_delivery("token-cookies")
        text = yield from _by_cookie(request, config)
    issued = yield from refresh(text, deliver, now, config.issuer_config, form.resource, request.address)
    return issued_reply(200, issued, now, config.issuer_config)


def _by_cookie(request: Request, config: WebConfig) -> Flow[str]:
    text = read_cookie(request, "refresh", config.issuer_config)
    if text is None:
        raise InvalidMember("refresh_token", "it in the body or in the refresh cookie", is_missing=True)
    refuse_cross_origin(request, config)
    presented = parse(text, CredentialKind.REFRESH, config.issuer_config.secrets)
    yield from require_csrf_token(request, presented.sid, config)
    return text
