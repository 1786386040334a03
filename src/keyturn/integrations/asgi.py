"""ASGI middleware that authenticates requests, for any framework. It needs no store, no framework and no extras.

The principal is stored in ``scope["keyturn.principal"]``.
"""

from keyturn.core.cors import is_preflight
from keyturn.errors import Refusal
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.web.application import OpenableIssuer
from keyturn.web.asgi_auth import AsgiAuth
from keyturn.web.asgi_messages import AsgiApp, Receive, Scope, Send, send_reply
from keyturn.web.auth import PRINCIPAL
from keyturn.web.connections import serve_http
from keyturn.web.cors import preflight_reply, with_cors_send
from keyturn.web.issuer_authenticator import CREDENTIAL_CACHE_SIZE

__all__ = ["PRINCIPAL", "AuthMiddleware"]


class AuthMiddleware:
    """ASGI middleware that passes only authenticated HTTP requests and WebSocket handshakes to ``app``.

    ``verifier``: for a resource server, which accepts bearer access tokens. A ``Verifier`` blocks in a thread.
    ``issuer``: for an app of the issuer itself, which accepts bearer tokens, session cookies and access cookies, with
    CSRF protection. Give exactly one of ``verifier`` and ``issuer``.
    ``trusted_origins``: other origins whose pages may call (CORS), beside those of the issuer's settings. The
    middleware answers their preflights, and adds the headers to its refusals and to responses that have none. With
    ``issuer``, pages of http(s) origins may use the cookies. A preflight of any other origin is passed on without a
    principal, for a CORS layer inside.
    ``optional``: pass anonymous requests, with None as their principal. A cookie that is dead, malformed or repeated,
    and an Authorization header of another scheme, count as none. An invalid bearer token is refused, and so is a valid
    cookie in a request from another origin.
    ``cookie_cache_size``: maximum number of cached Cookie headers, and of cached bearer tokens.

    A WebSocket, and a streamed response without a length, is closed when its session or its token ends
    (``web.connections``); one of an anonymous caller is not.
    A refusal is sent as a problem document (``web.problem``) that links to the issuer's error page.
    Raises ``ConfigurationError``.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        verifier: Verifier | AsyncVerifier | None = None,
        issuer: OpenableIssuer | None = None,
        trusted_origins: tuple[str, ...] = (),
        optional: bool = False,
        cookie_cache_size: int = CREDENTIAL_CACHE_SIZE,
    ) -> None:
        self._app = app
        self._optional = optional
        self._auth = AsgiAuth(issuer, verifier, trusted_origins=trusted_origins, cache_size=cookie_cache_size)
        self._authenticate_cached = self._auth.authenticate_cached

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate one request."""
        if scope["type"] == "lifespan":
            scope[PRINCIPAL] = None
            return await self._app(scope, receive, send)
        if scope["type"] == "http":
            if is_preflight(scope["method"], scope["headers"]):
                return await self._pass_preflight(scope, receive, send)
            send = with_cors_send(send, scope["headers"], self._auth.origins)
        try:
            principal = self._authenticate_cached(scope)
            if principal is None:
                principal = await self._auth.authenticate(scope, optional=self._optional)
        except Refusal as refusal:
            return await self._auth.refuse(refusal, scope, receive, send)
        scope[PRINCIPAL] = principal
        if principal is None:
            return await self._app(scope, receive, send)
        if scope["type"] == "http":
            return await serve_http(self._app, scope, receive, send, (self._auth.connector, principal))
        return await self._auth.serve(self._app, scope, receive, send, principal)

    async def _pass_preflight(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = preflight_reply(scope["method"], scope["headers"], self._auth.origins)
        if reply is not None:
            return await send_reply(reply, send)
        scope[PRINCIPAL] = None
        return await self._app(scope, receive, send)
