"""Authentication and CSRF protection of a request. The guard never clears a cookie (P9)."""

import hmac
from typing import NamedTuple

from keyturn.core.claims import AccessClaims
from keyturn.core.cors import is_from_app
from keyturn.core.csrf import SAFE_METHODS, check_origin, is_token_required
from keyturn.core.policy import Deliver
from keyturn.core.principal import Principal
from keyturn.core.session import Session
from keyturn.core.types import Instant, SessionId
from keyturn.errors import CrossOrigin, CsrfTokenRequired, TokenInvalid, Unauthenticated
from keyturn.flows.csrf import verify_csrf_token
from keyturn.flows.effects import Flow
from keyturn.flows.verify import AuthenticatedCredential, authenticate_access, authenticate_session
from keyturn.web.config import WebConfig, service_digest
from keyturn.web.cors import without_app_cookies
from keyturn.web.credentials import Credential, bearer_token, extract, extract_optional
from keyturn.web.message import Request

_TOKENS_ONLY = "A page of this origin gets no cookies: log in with deliver=tokens, and send bearer tokens."


class Caller(NamedTuple):
    """Authenticated sender of a request.

    ``session``: as it was read to verify ``credential``; None if an access token was verified without it.
    ``claims``: of an access token.
    """

    principal: Principal
    credential: Credential
    session: Session | None
    claims: AccessClaims | None = None


def guard(request: Request, now: Instant, config: WebConfig) -> Flow[Principal]:
    """Authenticate the request and return its principal. Raises as ``authenticate``."""
    return (yield from authenticate(request, now, config)).principal


def authenticate(request: Request, now: Instant, config: WebConfig) -> Flow[Caller]:
    """Authenticate the request. The principal is the same for every kind of credential.

    Raises ``Unauthenticated`` and its subclasses, ``CrossOrigin``, ``CsrfTokenRequired``, ``BadRequest``, and
    ``RevocationUnknown`` if the revocation state cannot be determined.
    """
    request = without_app_cookies(request, config.origins)
    credential = extract(request, config.issuer_config)
    if credential is None:
        raise Unauthenticated("no credential was presented")
    if credential.cookie:
        refuse_cross_origin(request, config)
    principal, session, claims = yield from _verify(credential, now, config)
    if credential.cookie:
        yield from require_csrf_token(request, principal.sid, config, session)
    return Caller(principal, credential, session, claims)


def authenticate_optional(request: Request, now: Instant, config: WebConfig) -> Flow[Caller | None]:
    """Authenticate a request that may be anonymous. Return None for an anonymous one.

    A cookie that is dead, malformed or repeated counts as none: a browser sends it for weeks, and a refusal would keep
    its user from the login. A bearer token is sent on purpose: an invalid one is refused (RFC 6750 section 3.1).
    Raises as ``authenticate``; ``CrossOrigin`` and ``CsrfTokenRequired`` only for a cookie that is valid.
    """
    request = without_app_cookies(request, config.origins)
    credential = extract_optional(request, config.issuer_config)
    if credential is None:
        return None
    try:
        principal, session, claims = yield from _verify(credential, now, config)
    except Unauthenticated:
        if credential.cookie:
            return None
        raise
    if credential.cookie:
        # An anonymous request has no authority that another site could abuse: check the origin of a valid cookie only.
        refuse_cross_origin(request, config)
        yield from require_csrf_token(request, principal.sid, config, session)
    return Caller(principal, credential, session, claims)


def refuse_cross_origin(request: Request, config: WebConfig) -> None:
    """Raise ``CrossOrigin`` if a browser sent an unsafe request from an untrusted origin.

    Login calls it too: login CSRF needs no cookie of the victim.
    """
    # Most requests are safe: skip three searches of their headers.
    if request.method in SAFE_METHODS:
        return
    check_origin(
        request.method,
        sec_fetch_site=request.values(b"sec-fetch-site"),
        origin=request.values(b"origin"),
        host=request.values(b"host"),
        trusted_origins=config.origins.sites,
        own_origin=config.own_origin,
    )


def is_form_token_required(request: Request, config: WebConfig) -> bool:
    """Return True if the policy requires a CSRF token, or the request is a form of unknown origin."""
    is_unattested = not request.values(b"sec-fetch-site") and not request.values(b"origin")
    return config.issuer_config.profile.cookie.csrf_token or (request.form_token is not None and is_unattested)


def refuse_cross_origin_login(request: Request, config: WebConfig) -> None:
    """Raise ``CrossOrigin`` unless the sender may log in. A page of an app shell is judged by ``require_tokens``."""
    if not is_from_app(request.values(b"origin"), config.origins):
        refuse_cross_origin(request, config)


def require_tokens(request: Request, deliver: Deliver | None, config: WebConfig) -> None:
    """Raise ``CrossOrigin`` if a page of an app shell asks for cookies. ``deliver``: the requested delivery."""
    is_app = is_from_app(request.values(b"origin"), config.origins)
    if is_app and config.issuer_config.resolve_delivery(deliver) != "tokens":
        raise CrossOrigin("a page of an app shell asked for cookies", hint=_TOKENS_ONLY)


def require_csrf_token(request: Request, sid: SessionId, config: WebConfig, known: Session | None = None) -> Flow[None]:
    """Raise ``CsrfTokenRequired`` if a CSRF token is required, and that of the request is not the one of ``sid``.

    It is in X-CSRF-Token, or in the hidden field of a form. ``known``: the session ``sid``, if the caller has read it.
    """
    demanded = is_form_token_required(request, config)
    if not is_token_required(request.method, credential_is_cookie=True, csrf_token=demanded):
        return
    values = request.values(b"x-csrf-token")
    if request.form_token:
        values.append(request.form_token.encode())
    if len(values) != 1:
        raise CsrfTokenRequired("no CSRF token, or several")
    yield from verify_csrf_token(values[0].decode("latin-1"), sid, config.issuer_config, known)


def require_service(request: Request, config: WebConfig) -> None:
    """Raise ``Unauthenticated`` or ``TokenInvalid`` unless the bearer token is a configured service token."""
    token = bearer_token(request)
    if token is None:
        raise Unauthenticated("no service token was presented")
    digest = service_digest(token)
    # CWE-208: compare every configured digest, each in constant time.
    if not any([hmac.compare_digest(digest, kept) for kept in config.service_digests]):
        raise TokenInvalid("not a service token of this site")


def require_feed_reader(request: Request, config: WebConfig) -> None:
    """Require a service token unless ``open_feed`` is set. Raises as ``require_service``."""
    if not config.open_feed:
        require_service(request, config)


def _verify(credential: Credential, now: Instant, config: WebConfig) -> Flow[AuthenticatedCredential]:
    verify = authenticate_session if credential.kind == "session" else authenticate_access
    return verify(credential.text, now, config.issuer_config)
