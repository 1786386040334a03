"""What the integrations of Starlette, and of FastAPI, which is one, have in common. It imports neither."""

import functools
from typing import Any

from keyturn.errors import Refusal
from keyturn.web.asgi_integration import AsgiIntegration

_REFUSED_SOCKET = 1008  # RFC 6455 section 7.4.1: policy violation


class StarletteIntegration(AsgiIntegration):
    """Authentication of an application that is, or is built on, a ``Starlette``."""

    def install(self, app: Any, route: Any) -> None:
        """Add the endpoints, the lifespan, CORS and the answers to refusals to ``app``.

        ``route``: a ``Route`` of the endpoints, or None for a resource server.
        """
        if self.endpoints is not None:
            route.path_regex = self.endpoints.pattern  # one match before each request, not one for each path
            app.router.routes.insert(0, route)
        app.router.lifespan_context = self.wrap_lifespan(app.router.lifespan_context)
        app.add_exception_handler(Refusal, self._answer)
        build = app.build_middleware_stack
        app.build_middleware_stack = lambda: self.with_cors(build())  # around the answers to errors, too

    async def _answer(self, connection: Any, refusal: Refusal) -> Any:
        if connection.scope["type"] == "http":
            return functools.partial(self.refuse, refusal)
        if connection.application_state.name == "CONNECTING":
            return await self.refuse(refusal, connection.scope, connection.receive, connection.send)
        return await connection.close(_REFUSED_SOCKET, refusal.code)
