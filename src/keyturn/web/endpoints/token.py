"""POST /auth/token: the refresh grant, by body or, under token-cookies, by cookie."""

from keyturn.core.instant import Instant
from keyturn.core.sealed import CredentialKind, parse
from keyturn.errors import InvalidMember, UnsupportedGrantType
from keyturn.flows.refresh import refresh
from keyturn.flows.step import Flow
from keyturn.web.deliver import issued_reply
from keyturn.web.extract import read_cookie
from keyturn.web.guard import refuse_cross_origin, require_csrf_token
from keyturn.web.message import Reply, Request
from keyturn.web.read import read_form
from keyturn.web.shapes import TokenForm
from keyturn.web.site import WebConfig

GRANT_TYPES = ("refresh_token",)


def token(request: Request, now: Instant, site: WebConfig) -> Flow[Reply]:
    """Continue a session (RFC 6749 section 6)."""
    form = read_form(request, TokenForm)
    if form.grant_type not in GRANT_TYPES:
        raise UnsupportedGrantType("another grant_type")
    if form.refresh_token is not None:
        deliver = site.realm.resolve_delivery("tokens")
        issued = yield from refresh(form.refresh_token, deliver, now, site.realm)
    else:
        deliver = site.realm.resolve_delivery("token-cookies")
        issued = yield from refresh((yield from _by_cookie(request, site)), deliver, now, site.realm)
    return issued_reply(200, issued, now, site.realm)


def _by_cookie(request: Request, site: WebConfig) -> Flow[str]:
    text = read_cookie(request, "refresh", site.realm)
    if text is None:
        raise InvalidMember("refresh_token")
    refuse_cross_origin(request, site)
    presented = parse(text, CredentialKind.REFRESH, site.realm.secrets)
    yield from require_csrf_token(request, presented.sid, site)
    return text
