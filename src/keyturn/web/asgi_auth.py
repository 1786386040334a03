"""Authentication of ASGI requests and WebSocket handshakes, for any framework."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from keyturn.core.cors import is_from_app, parse_origins
from keyturn.core.principal import Principal
from keyturn.errors import ConfigurationError, Refusal
from keyturn.flows import drive_async
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.web.application import AsyncIssuerLike, OpenableIssuer, web_config_of
from keyturn.web.asgi_lifespan import refuse_handshake
from keyturn.web.asgi_messages import AsgiApp, Receive, Scope, Send, send_reply
from keyturn.web.auth import AuthenticateCached, BaseAuth, Requirement, check_token_cache, token_for_verifier
from keyturn.web.connections import Connector, follow, serve_connected
from keyturn.web.cors import origin_values
from keyturn.web.issuer_authenticator import CREDENTIAL_CACHE_SIZE, IssuerAuthenticator
from keyturn.web.limits import FLOW_SECONDS, check_guarded_headers, flow_timeout
from keyturn.web.message import Request

_HANDSHAKE = "GET"


class AsgiAuth(BaseAuth):
    """Authentication of ASGI scopes, ``http`` and ``websocket``. A ``Verifier`` blocks in a thread.

    ``issuer``: an ``AsyncIssuer``. ``connector``: the issuer or the verifier. Otherwise as ``BaseAuth``.
    """

    def __init__(
        self,
        issuer: OpenableIssuer | None = None,
        verifier: Verifier | AsyncVerifier | None = None,
        *,
        trusted_origins: tuple[str, ...] = (),
        cache_size: int = CREDENTIAL_CACHE_SIZE,
    ) -> None:
        if issuer is not None and not hasattr(issuer, "ready"):
            raise ConfigurationError("an ASGI application needs an AsyncIssuer, not an Issuer")
        super().__init__(issuer, verifier)
        self.connector = cast("Connector | Verifier", issuer or verifier)
        self._authenticate_cached: AuthenticateCached
        self._decide: Callable[[Request, bool, bool], Awaitable[Principal | None]]
        if verifier is not None:
            self.origins = parse_origins(trusted_origins).without_cookies()
            self._authenticate_cached = partial(check_token_cache, verifier)
            self._decide = partial(_decide_by_verifier, verifier)
            return
        source = cast(OpenableIssuer, issuer)
        config = web_config_of(source, trusted_origins)
        sessions, self.origins = IssuerAuthenticator(source, config, cache_size), config.origins
        self._authenticate_cached = sessions.authenticate_cached
        self._decide = partial(_decide_by_flow, source, sessions)

    async def authenticate(self, scope: Scope, *, optional: bool = False) -> Principal | None:
        """Return the principal of a request or a WebSocket handshake.

        ``optional``: return None for an anonymous request. A cookie that is dead, malformed or repeated, and an
        Authorization header of another scheme, count as none; an invalid bearer token is refused.
        Raises ``Unauthenticated`` and its subclasses, ``CrossOrigin``, ``CsrfTokenRequired``, ``BadRequest``,
        ``HeadersTooLarge``; ``RevocationUnknown`` and ``Unavailable`` (503) if the state cannot be determined.
        """
        principal = self.authenticate_cached(scope) or await self._authenticate(scope, optional)
        if principal is not None:
            await follow(scope, self.connector, principal)
        return principal

    def authenticate_cached(self, scope: Scope) -> Principal | None:
        """Return the principal if its credential was accepted before and still is, else None: then ``authenticate``.

        Never blocks. A handshake is never judged here.
        """
        authorization = cookie = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if authorization is not None:
                    return None
                authorization = value
            elif name == b"cookie":
                if cookie is not None:
                    return None
                cookie = value
        if scope["type"] != "http":
            return None
        if self.origins.apps and is_from_app(origin_values(scope["headers"]), self.origins):
            cookie = None
        return self._authenticate_cached(scope["method"], authorization, cookie)

    async def require(self, scope: Scope, requirement: Requirement | None = None) -> Principal:
        """Return the principal. Raises as ``authenticate``, and as ``Requirement.check``."""
        return self._check(await self.authenticate(scope), requirement)

    def serve(self, app: AsgiApp, scope: Scope, receive: Receive, send: Send, principal: Principal) -> Awaitable[None]:
        """Run ``app`` for a WebSocket, which is closed when the session or token of ``principal`` ends."""
        page = self._error_page
        return serve_connected(app, scope, receive, send, auth=self.connector, principal=principal, error_page=page)

    async def refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or a WebSocket handshake, with a refusal."""
        if scope["type"] == "http":
            return await send_reply(self.reply(refusal, scope["method"], scope["path"]), send)
        reply = self.reply(refusal, _HANDSHAKE, scope["path"])
        return await refuse_handshake(scope, receive, send, reply, refusal.code)

    async def _authenticate(self, scope: Scope, optional: bool) -> Principal | None:
        is_websocket = scope["type"] == "websocket"
        # An unknown scope type has no method and raises KeyError, as the ASGI specification requires.
        request = Request(_HANDSHAKE if is_websocket else scope["method"], scope["path"], headers=scope["headers"])
        check_guarded_headers(request.headers)
        try:
            async with asyncio.timeout(FLOW_SECONDS):
                return await self._decide(request, optional, is_websocket)
        except TimeoutError:
            raise flow_timeout() from None


async def _decide_by_flow(
    issuer: AsyncIssuerLike, sessions: IssuerAuthenticator, request: Request, optional: bool, is_websocket: bool
) -> Principal | None:
    parts = issuer.current or await issuer.ready()
    flow = sessions.authenticate(request, parts, is_optional=optional, is_websocket=is_websocket)
    return await drive_async(flow, parts.ports)


async def _decide_by_verifier(
    verifier: Verifier | AsyncVerifier, request: Request, optional: bool, _is_websocket: bool
) -> Principal | None:
    token = token_for_verifier(request, optional)
    if token is None:
        return None
    if isinstance(verifier, AsyncVerifier):
        return await verifier(token)
    return await asyncio.to_thread(verifier, token)
