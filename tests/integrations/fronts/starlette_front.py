"""The routes of ``front`` in Starlette."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from integrations.fronts.front import FRESH_SECONDS, SCOPE, Front, over_asgi, shown
from keyturn import AsyncIssuer
from keyturn.integrations.starlette import Keyturn
from web.exchanges import Answer, Sent


def build(issuer: AsyncIssuer) -> Callable[[Sent], Answer]:
    app = Starlette()
    auth = Keyturn(app, issuer)

    @auth.required
    async def private(request: Request) -> JSONResponse:
        return JSONResponse(shown(auth.principal(request)))

    @auth.optional
    async def public(request: Request) -> JSONResponse:
        return JSONResponse(shown(request.user))

    admin = auth.requires(SCOPE)(private)
    fresh = auth.requires(fresh=FRESH_SECONDS)(private)
    for path, endpoint in {"/private": private, "/public": public, "/admin": admin, "/fresh": fresh}.items():
        app.router.routes.append(Route(path, endpoint, methods=["GET", "POST"]))
    return over_asgi(app)


FRONT = Front(build)
