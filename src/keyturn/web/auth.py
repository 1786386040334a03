"""Authentication of the requests of an application, whatever its server and framework.

``AsgiAuth`` and ``WsgiAuth`` build on it. They answer one question: who sent this request, over an issuer in this
process or a verifier. Nothing is judged before they are asked.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, cast

from keyturn.core.cors import TrustedOrigins
from keyturn.core.principal import Principal
from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError, Refusal, Unauthenticated
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.web.application import IssuerLike
from keyturn.web.config import error_page_of
from keyturn.web.credentials import bearer_token, has_bearer
from keyturn.web.message import Reply, Request, without_body
from keyturn.web.problem import problem

PRINCIPAL = "keyturn.principal"
"""Key of the principal in an ASGI scope or a WSGI environment. The value is None for an anonymous request."""

AuthenticateCached = Callable[[str, bytes | None, bytes | None], Principal | None]
"""Returns the principal of (method, Authorization, Cookie) if it is cached and needs no CSRF check. Never blocks."""


class Requirement(NamedTuple):
    """What a route requires of its caller. ``scopes``: all of them. ``fresh``: oldest authentication, in seconds."""

    scopes: tuple[str, ...] = ()
    fresh: int | None = None

    def check(self, principal: Principal, now: Callable[[], Instant]) -> Principal:
        """Return the principal. Raises ``Forbidden`` or ``StepUpRequired``."""
        for scope in self.scopes:
            principal.require_scope(scope)
        if self.fresh is not None:
            principal.require_recent_auth(now(), self.fresh)
        return principal


class BaseAuth:
    """Common part of ``AsgiAuth`` and ``WsgiAuth``. Give exactly one of ``issuer`` and ``verifier``.

    ``issuer``: accepts session cookies, access cookies and bearer tokens, with CSRF protection. ``verifier``: accepts
    bearer access tokens only. ``trusted_origins``: other origins whose pages may call, beside those of the issuer's
    settings; pages of http(s) origins may use the issuer's cookies. ``cache_size``: largest number of cached headers of
    each kind. ``origins``: the trusted ones, for ``web.cors``. Raises ``ConfigurationError``.
    """

    origins: TrustedOrigins

    def __init__(self, issuer: IssuerLike | None, verifier: Verifier | AsyncVerifier | None) -> None:
        if (issuer is None) is (verifier is None):
            raise ConfigurationError("give either issuer or verifier, and not both")
        self._source = issuer
        self.issuer_url = issuer.config.issuer if issuer is not None else verifier.issuer if verifier else ""
        self._error_page = error_page_of(self.issuer_url)

    def reply(self, refusal: Refusal, method: str, path: str) -> Reply:
        """Return the reply to a request that was refused: a problem document that links to the issuer's error page."""
        reply = problem(refusal, self._error_page, path)
        return without_body(reply) if method == "HEAD" else reply

    def check(self, principal: Principal, requirement: Requirement) -> Principal:
        """Return the principal. Raises ``Forbidden`` or ``StepUpRequired``."""
        return requirement.check(principal, self._present)

    def _check(self, principal: Principal | None, requirement: Requirement | None) -> Principal:
        """Return the principal of a request that was authenticated, and not as ``optional``: it has one."""
        authenticated = cast(Principal, principal)
        return authenticated if requirement is None else requirement.check(authenticated, self._present)

    def _present(self) -> Instant:
        parts = None if self._source is None else self._source.current
        return Instant(int(time.time())) if parts is None else parts.present()[0]


def check_token_cache(
    verifier: Verifier | AsyncVerifier, _method: str, authorization: bytes | None, _cookie: bytes | None
) -> Principal | None:
    """Return the principal of a bearer token in the cache of a verifier, as ``AuthenticateCached``."""
    if authorization is None or authorization[:7] != b"Bearer ":
        return None
    # The verifier is as strict about the syntax of a token as ``bearer_token`` is.
    token = authorization[7:].decode("latin-1")
    return verifier.check_cached(token) or verifier.check_now(token)


def token_for_verifier(request: Request, optional: bool) -> str | None:
    """Return the bearer token, or None for an anonymous request if ``optional``. Raises as ``bearer_token``."""
    if optional and not has_bearer(request):
        return None
    token = bearer_token(request)
    if token is None:
        raise Unauthenticated(
            "the request has no bearer token",
            hint="Send the header Authorization: Bearer, a space, an access token; this service takes no cookies.",
        )
    return token
