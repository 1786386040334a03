"""Keyturn for FastAPI: the endpoints, dependencies with a typed ``Principal``, and the OpenAPI document."""

import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import FastAPI, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase
from starlette.routing import Route

from keyturn.web.asgi_integration import (
    GUARD,
    AsyncVerifier,
    OpenableIssuer,
    Principal,
    Refusal,
    Requirement,
    Verifier,
)
from keyturn.web.starlette_integration import StarletteIntegration

__all__ = ["Keyturn", "Principal", "Refusal"]


class _Scheme(SecurityBase):
    """Dependency that authenticates a request or a WebSocket handshake. FastAPI documents it as a security scheme."""

    def __init__(self, authenticate: Callable[[Any], Awaitable[Principal | None]]) -> None:
        self.model = HTTPBearer(bearerFormat="at+jwt")
        self.scheme_name = GUARD
        self._authenticate = authenticate


class _CallerScheme(_Scheme):
    async def __call__(self, connection: HTTPConnection) -> Principal:
        principal = await self._authenticate(connection.scope)
        assert principal is not None  # noqa: S101 - ``require`` returns no None
        return principal


class _VisitorScheme(_Scheme):
    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        return await self._authenticate(connection.scope)


class Keyturn(StarletteIntegration):
    """Authentication of a FastAPI application.

    ``issuer``: an ``AsyncIssuer``, or its URL; default: one by the environment. Its endpoints are added to the
    application and its OpenAPI document, and it is open during the lifespan. ``verifier``: for a resource server
    instead, without endpoints.
    ``login_page``: path to which browsers that asked for a page are sent. ``options``: those of ``AsgiIntegration``,
    and settings, such as ``credentials="jwt"``.
    Refusals are raised: ``app.exception_handler(Refusal)`` replaces how they are answered.
    ``required``, ``optional``: dependencies, of the types ``Principal`` and ``Principal | None``. ``user``: of the type
    of the application's own accounts; it raises as ``load_user``. A test replaces them with
    ``app.dependency_overrides``.
    """

    def __init__(
        self,
        app: FastAPI,
        issuer: OpenableIssuer | str | None = None,
        *,
        verifier: Verifier | AsyncVerifier | None = None,
        login_page: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(issuer, verifier=verifier, login_page=login_page, **options)
        self.required = _CallerScheme(self.require)
        self.optional = _VisitorScheme(self.visitor)

        async def user(connection: HTTPConnection, principal: Annotated[Principal, Security(self.required)]) -> Any:
            return await self.load_user(connection.scope, principal)

        self.user = user
        self.install(app, self.endpoints and Route("/", self.endpoints))
        self._document(app)

    @functools.cache  # noqa: B019 - one application has one Keyturn; a dependency is overridden by its identity
    def requires(self, *scopes: str, fresh: int | None = None) -> Callable[..., Awaitable[Principal]]:
        """Return a dependency that requires ``scopes``, and an authentication at most ``fresh`` seconds ago."""
        requirement = Requirement(scopes, fresh)

        async def check(principal: Annotated[Principal, Security(self.required, scopes=scopes)]) -> Principal:
            return self.check(principal, requirement)

        return check

    def _document(self, app: FastAPI) -> None:
        build = app.openapi

        def openapi() -> dict[str, Any]:
            return app.openapi_schema if app.openapi_schema is not None else self.merge_openapi(build())

        app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
