"""Keyturn for Litestar: a plugin with the endpoints, dependencies with a typed ``Principal``, guards and OpenAPI."""

import functools
from collections.abc import Awaitable, Callable
from copy import copy
from typing import Any, TypeAlias, cast

from litestar import Response, asgi
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.enums import ScopeType
from litestar.exceptions import WebSocketException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import OpenAPI
from litestar.params import SkipValidation
from litestar.plugins import InitPluginProtocol, ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import Scope

from keyturn.web.asgi_integration import GUARD, AsgiIntegration, Principal, Refusal, Requirement

__all__ = ["Keyturn", "OptionalPrincipal", "Principal", "Refusal", "RequiredPrincipal"]

RequiredPrincipal: TypeAlias = NamedDependency[SkipValidation[Principal]]
OptionalPrincipal: TypeAlias = NamedDependency[SkipValidation[Principal | None]]
_Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


class Keyturn(AsgiIntegration, InitPluginProtocol, ReceiveRoutePlugin):
    """Plugin that authenticates the requests of a Litestar application.

    Arguments: those of ``AsgiIntegration``. The endpoints of the issuer are added to the application and to its OpenAPI
    document, and it is open during the application's lifespan.
    A handler with a parameter ``principal: RequiredPrincipal`` requires a credential. One with
    ``optional_principal: OptionalPrincipal`` accepts anonymous requests, too, for which that is None. A test replaces
    both by dependencies of its own.
    Refusals are raised: ``exception_handlers={Refusal: ...}`` replaces how they are answered.
    """

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the endpoints, the lifespan, the dependencies and the handler of refusals to an application."""
        if self.endpoints is not None:
            paths = [path.replace("{sid}", "{sid:str}") for path in self.endpoints.paths]
            app_config.route_handlers.append(asgi(paths, copy_scope=True)(self.endpoints.__call__))
        config: Any = app_config  # Litestar's own annotations are incomplete
        config.lifespan = [self.lifespan, *config.lifespan]
        app_config.dependencies.setdefault("principal", self.requires())
        app_config.dependencies.setdefault("optional_principal", Provide(_dependency(self.visitor)))
        config.middleware = [self.with_cors, *config.middleware]
        config.exception_handlers.setdefault(Refusal, functools.partial(_RefusalResponse, self))
        if app_config.openapi_config is not None:
            # The default configuration is one object, which every application of the process shares.
            app_config.openapi_config = self._document(copy(app_config.openapi_config))
        return app_config

    def requires(self, *scopes: str, fresh: int | None = None) -> Provide:
        """Return a dependency that requires ``scopes``, and an authentication at most ``fresh`` seconds ago."""
        return Provide(_dependency(functools.partial(self.require, requirement=Requirement(scopes, fresh)), scopes))

    @property
    def user(self) -> Provide:
        """Dependency: the application's own object of the caller. Raises as ``require_user``."""
        return Provide(_dependency(self.require_user))

    def guard(self, *scopes: str, fresh: int | None = None) -> _Guard:
        """Return a guard that requires what ``requires`` does, for handlers that do not use the principal."""
        authenticate = self.requires(*scopes, fresh=fresh).dependency

        async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
            await authenticate(connection.scope)

        guard.scopes = scopes  # type: ignore[attr-defined]  # read by receive_route
        return guard

    def receive_route(self, route: BaseRoute) -> None:
        """Mark the operations that are guarded, for the OpenAPI document."""
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            dependencies: dict[str, Provide] = handler.resolve_dependencies()
            guards: list[Any] = cast(Any, handler).resolve_guards()
            names = handler.parsed_fn_signature.parameters
            used: list[Any] = [each.dependency for name, each in dependencies.items() if name in names]
            scopes: list[tuple[str, ...]] = [each.scopes for each in (*used, *guards) if hasattr(each, "scopes")]
            if scopes:
                handler.security = [*(handler.security or ()), {GUARD: [name for each in scopes for name in each]}]

    def _document(self, config: OpenAPIConfig) -> OpenAPIConfig:
        build = config.to_openapi_schema

        def to_openapi_schema() -> OpenAPI:
            made = build()
            to_schema = made.to_schema
            made.to_schema = lambda: self.merge_openapi(to_schema())  # type: ignore[method-assign]  # as below
            return made

        config.to_openapi_schema = to_openapi_schema  # type: ignore[method-assign]  # the only hook for own paths
        return config


class _RefusalResponse(Response[None]):
    def __init__(self, auth: AsgiIntegration, _request: object, refusal: Refusal) -> None:
        super().__init__(None, status_code=refusal.status)
        self._answer = functools.partial(auth.refuse, refusal)

    def to_asgi_response(self, *_: object, **__: object) -> Any:
        return self._answer


def _dependency(authenticate: Any, scopes: tuple[str, ...] = ()) -> Callable[[Scope], Awaitable[Any]]:
    async def principal(scope: Scope) -> Any:
        try:
            return await authenticate(scope)
        except Refusal as refusal:
            if scope["type"] == ScopeType.HTTP:
                raise
            raise WebSocketException(detail=refusal.code, code=1008) from refusal

    principal.scopes = scopes  # type: ignore[attr-defined]  # read by receive_route
    return principal
