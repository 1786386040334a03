"""What the integration of an ASGI framework builds on: authentication, the endpoints, the lifespan, the document."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import keyturn
from keyturn.core.cors import TrustedOrigins
from keyturn.core.principal import Principal
from keyturn.core.types import Subject
from keyturn.errors import ConfigurationError, Refusal
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.web.application import OpenableIssuer
from keyturn.web.asgi import AsgiEndpoints
from keyturn.web.asgi_auth import AsgiAuth
from keyturn.web.asgi_messages import AsgiApp, Receive, Scope, Send, send_reply
from keyturn.web.auth import Requirement
from keyturn.web.config import DEFAULT_PREFIX
from keyturn.web.connections import serve_http, serve_socket
from keyturn.web.cors import preflight_reply, with_cors_send
from keyturn.web.openapi_merge import GUARD, merge
from keyturn.web.pages import AsgiPages
from keyturn.web.users import loaded_users, require_principal, require_user

__all__ = [
    "GUARD",
    "AsgiIntegration",
    "AsyncVerifier",
    "OpenableIssuer",
    "Principal",
    "Refusal",
    "Requirement",
    "Verifier",
]

Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Any]]


class AsgiIntegration(AsgiAuth):
    """Authentication of the application of one framework, with the endpoints of its issuer.

    ``issuer``: an ``AsyncIssuer``, or the URL of one by the environment and ``settings``, which is also the default.
    ``verifier``: for a resource server instead, which has no endpoints.
    ``login_page``, ``step_up_page``: paths of the application to which browsers that asked for a page are redirected;
    without the first, the refusal is the answer.
    ``prefix``: path of the endpoints. ``trusted_origins``: other origins whose pages may call, beside those of the
    settings. ``endpoints``: the ASGI application to mount, with the ``paths`` that it answers; None for a verifier.
    """

    def __init__(
        self,
        issuer: OpenableIssuer | str | None = None,
        *,
        verifier: Verifier | AsyncVerifier | None = None,
        login_page: str | None = None,
        step_up_page: str = "",
        prefix: str = DEFAULT_PREFIX,
        trusted_origins: tuple[str, ...] = (),
        **settings: Any,
    ) -> None:
        if settings and (verifier is not None or not isinstance(issuer, str | None)):
            # A setting that changes nothing, such as a stricter profile, would be believed to hold.
            raise ConfigurationError(f"an issuer or a verifier has its own settings; unused: {', '.join(settings)}")
        if isinstance(issuer, str):
            issuer = keyturn.AsyncIssuer.from_env(issuer=issuer, **settings)
        elif issuer is None and verifier is None:
            issuer = keyturn.AsyncIssuer.from_env(**settings)
        super().__init__(issuer, verifier, trusted_origins=trusted_origins)
        self._issuer, self._verifier = issuer, verifier
        self.endpoints: AsgiEndpoints | None = None
        if issuer is not None:
            self.endpoints = AsgiEndpoints(issuer, prefix=prefix, trusted_origins=trusted_origins)
            self._error_page = self.endpoints.config.error_page
        self._has_login_page = login_page is not None
        self._pages = None if issuer is None else AsgiPages(issuer, login_page or "/login", step_up_page)

    @property
    def issuer(self) -> OpenableIssuer:
        """The issuer. Raises ``ConfigurationError`` for a resource server, which has none."""
        if self._issuer is None:
            raise ConfigurationError("this application has a verifier, and no issuer")
        return self._issuer

    @property
    def pages(self) -> AsgiPages:
        """Support for the application's own pages. Raises ``ConfigurationError`` for a resource server."""
        if self._pages is None:
            raise ConfigurationError("a resource server takes no cookies and has no forms: they need an issuer")
        return self._pages

    async def visitor(self, scope: Scope) -> Principal | None:
        """Return the principal of a request, or None for an anonymous one. Raises as ``authenticate``."""
        return await self.authenticate(scope, optional=True)

    async def require_user(self, scope: Scope) -> Any:
        """Return the application's own object of the caller. Raises as ``require``, and as ``load_user``."""
        return await self.load_user(scope, await self.require(scope))

    async def load_user(self, scope: Scope, principal: Principal | None) -> Any:
        """Return the application's own object of a principal, which is loaded once per request.

        Raises ``Unauthenticated`` without a principal, ``TokenRevoked`` for an inactive or deleted account,
        ``StoreUnavailable`` if the accounts fail, ``ConfigurationError`` if the issuer has none of the application.
        """
        subject, loaded = require_principal(principal).subject, loaded_users(scope, self)
        async with loaded.lock:
            loaded[subject] = user = loaded[subject] if subject in loaded else await self._load_user(subject)
        return require_user(user)

    async def _load_user(self, subject: Subject) -> Any:
        parts = self.issuer.current or await self.issuer.ready()
        return await parts.load_user(subject)

    async def refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or a WebSocket handshake, with a redirect to the login page or with a refusal."""
        pages = self._pages if self._has_login_page else None
        redirect = None if pages is None else pages.redirect(scope, refusal)
        if redirect is not None:
            return await send_reply(redirect, send)
        return await super().refuse(refusal, scope, receive, send)

    def with_cors(self, app: AsgiApp) -> AsgiApp:
        """Return ``app`` with the CORS headers of the trusted origins on every response, and answers to preflights.

        Its WebSockets and streams are closed when the session that a handler authenticated ends.
        """
        app = _with_connections(app)
        return CorsMiddleware(app, self.origins) if self.origins.sites or self.origins.apps else app

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncGenerator[None]:
        """Keep the issuer or the verifier open. Without it, each opens on first use, and is not closed."""
        async with AsyncExitStack() as stack:
            if self._issuer is not None:
                await stack.enter_async_context(self._issuer)
            if self._verifier is not None:
                stack.enter_context(self._verifier)
            yield

    def wrap_lifespan(self, inner: Lifespan) -> Lifespan:
        """Return a lifespan, as Starlette knows it, that also keeps the issuer or the verifier open."""

        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncGenerator[Any]:
            async with self.lifespan(), inner(app) as state:
                yield state

        return lifespan

    def merge_openapi(self, openapi: dict[str, Any]) -> dict[str, Any]:
        """Complete the OpenAPI document of the application, in place, with the endpoints and the security schemes."""
        return merge(openapi, None if self.endpoints is None else self.endpoints.config)


def _with_connections(app: AsgiApp) -> AsgiApp:
    def serve_connection(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            return serve_http(app, scope, receive, send)
        return serve_socket(app, scope, receive, send) if scope["type"] == "websocket" else app(scope, receive, send)

    return serve_connection


class CorsMiddleware:
    """ASGI middleware that lets the pages of trusted origins call an application and read its errors."""

    def __init__(self, app: AsgiApp, origins: TrustedOrigins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight of a trusted origin, and pass every other request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = scope["headers"]
        reply = preflight_reply(scope["method"], headers, self._origins)
        if reply is not None:
            return await send_reply(reply, send)
        return await self._app(scope, receive, with_cors_send(send, headers, self._origins))
