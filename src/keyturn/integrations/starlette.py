"""Keyturn for Starlette: the endpoints, a decorator for routes, and refusals as Starlette's exceptions."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Route

from keyturn.web.asgi_integration import (
    AsyncVerifier,
    OpenableIssuer,
    Principal,
    Requirement,
    Verifier,
)
from keyturn.web.starlette_integration import StarletteIntegration

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Handler = Callable[_P, Awaitable[_T]]


class Keyturn(StarletteIntegration):
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
        self.install(app, self.endpoints and Route("/", self.endpoints))

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
        return self._decorate(self.visitor)(handler)

    def principal(self, connection: HTTPConnection) -> Principal:
        """Return the principal of a request whose handler is decorated with ``required`` or ``requires``."""
        principal: Principal = connection.scope["user"]
        return principal

    async def user(self, connection: HTTPConnection) -> Any:
        """Return the application's own object of the principal of such a request. Raises as ``load_user``."""
        return await self.load_user(connection.scope, self.principal(connection))

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


def _position(handler: Callable[..., object]) -> int:
    """Return the position of the request among the arguments, as Starlette's ``requires`` finds it."""
    for position, name in enumerate(inspect.signature(handler).parameters):
        if name in ("request", "websocket"):
            return position
    raise TypeError(f"{handler.__qualname__} needs a parameter named request or websocket")
