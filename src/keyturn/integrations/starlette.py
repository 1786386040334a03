"""Keyturn for Starlette: the endpoints, a decorator for routes, and refusals as Starlette's exceptions."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.websockets import WebSocket, WebSocketState

from keyturn.web.asgi_integration import (
    AsgiIntegration,
    AsyncVerifier,
    OpenableIssuer,
    Principal,
    Refusal,
    Requirement,
    Verifier,
)

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Handler = Callable[_P, Awaitable[_T]]


class Keyturn(AsgiIntegration):
    """Authentication of a Starlette application.

    ``issuer``: an ``AsyncIssuer``, or its URL; default: one by the environment. Its endpoints are added to the
    application, and it is open during the lifespan. ``verifier``: for a resource server instead, without endpoints.
    ``login_page``: path to which browsers that asked for a page are sent. ``options``: those of ``AsgiIntegration``,
    and settings, such as ``credentials="jwt"``.
    Refusals are raised: ``app.add_exception_handler(Refusal, ...)`` replaces how they are answered.
    """

    def __init__(
        self,
        app: Starlette,
        issuer: OpenableIssuer | str | None = None,
        *,
        verifier: Verifier | AsyncVerifier | None = None,
        login_page: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(issuer, verifier=verifier, login_page=login_page, **options)
        if self.endpoints is not None:
            route = Route("/", self.endpoints)
            route.path_regex = self.endpoints.pattern  # one match before each request, not one for each path
            app.router.routes.insert(0, route)
        app.router.lifespan_context = self.wrap_lifespan(app.router.lifespan_context)
        app.add_exception_handler(Refusal, self._answer)
        build = app.build_middleware_stack
        app.build_middleware_stack = lambda: self.with_cors(build())  # type: ignore[method-assign]  # around errors, too

    def required(self, handler: _Handler[_P, _T]) -> _Handler[_P, _T]:
        """Require a credential: ``request.user`` is the ``Principal`` then. For functions and methods, and WebSockets.

        The refusals of ``AsgiAuth.authenticate`` are raised.
        """
        return self.requires()(handler)

    def requires(self, *scopes: str, fresh: int | None = None) -> Callable[[_Handler[_P, _T]], _Handler[_P, _T]]:
        """Require a credential with ``scopes``, and an authentication at most ``fresh`` seconds ago."""
        return self._decorate(functools.partial(self.require, requirement=Requirement(scopes, fresh)))

    def optional(self, handler: _Handler[_P, _T]) -> _Handler[_P, _T]:
        """Accept anonymous requests, too: ``request.user`` is None then."""
        return self._decorate(functools.partial(self.authenticate, optional=True))(handler)

    def principal(self, connection: HTTPConnection) -> Principal:
        """Return the principal of a request whose handler is decorated with ``required`` or ``requires``."""
        principal: Principal = connection.scope["user"]
        return principal

    def _decorate(
        self, authenticate: Callable[[Any], Awaitable[Principal | None]]
    ) -> Callable[[_Handler[_P, _T]], _Handler[_P, _T]]:
        def decorate(handler: _Handler[_P, _T]) -> _Handler[_P, _T]:
            position = _position(handler)

            @functools.wraps(handler)
            async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
                connection: Any = args[position]
                connection.scope["user"] = await authenticate(connection.scope)
                return await handler(*args, **kwargs)

            return wrapper

        return decorate

    async def _answer(self, connection: HTTPConnection, refusal: Exception) -> Any:
        assert isinstance(refusal, Refusal)  # noqa: S101 - of the class that this handler is registered for
        if isinstance(connection, WebSocket):
            return await self._close(refusal, connection)
        return functools.partial(self.refuse, refusal)

    async def _close(self, refusal: Refusal, websocket: WebSocket) -> None:
        if websocket.application_state is WebSocketState.CONNECTING:
            return await self.refuse(refusal, websocket.scope, websocket.receive, websocket.send)
        return await websocket.close(1008, refusal.code)


def _position(handler: Callable[..., object]) -> int:
    """Return the position of the request among the arguments, as Starlette's ``requires`` finds it."""
    for position, name in enumerate(inspect.signature(handler).parameters):
        if name in ("request", "websocket"):
            return position
    raise TypeError(f"{handler.__qualname__} needs a parameter named request or websocket")
