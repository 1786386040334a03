"""Applications in Starlette, FastAPI and Litestar with a page, a WebSocket and a scope, for an issuer or a verifier."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi import WebSocket as FastApiWebSocket
from litestar import Litestar, get, websocket
from litestar.connection import WebSocket as LitestarSocket
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from keyturn.integrations import fastapi, litestar, starlette


def starlette_app(**given: Any) -> tuple[Any, starlette.Keyturn]:
    app = Starlette()
    auth = starlette.Keyturn(app, **given)

    @auth.required
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.scope["user"].subject)
        await websocket.close()

    @auth.required
    async def waiting(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()

    class Page(HTTPEndpoint):
        @auth.required
        async def get(self, request: Request) -> JSONResponse:
            return JSONResponse({"subject": request.user.subject})

    @auth.requires("admin", fresh=60)
    async def admin(request: Request) -> JSONResponse:
        return JSONResponse({"subject": request.user.subject})

    async def unguarded(_request: Request) -> JSONResponse:
        return JSONResponse({})

    routes = [
        Route("/open", unguarded),
        Route("/page", Page),
        Route("/admin", admin),
        WebSocketRoute("/socket", socket),
    ]
    routes.append(WebSocketRoute("/waiting", waiting))
    app.router.routes.extend(routes)
    return app, auth


def fastapi_app(**given: Any) -> tuple[Any, fastapi.Keyturn]:
    app = FastAPI()
    auth = fastapi.Keyturn(app, **given)

    @app.get("/open")
    async def unguarded() -> dict[str, str]:
        return {}

    @app.get("/page")
    async def page(user: Annotated[fastapi.Principal, Depends(auth.required)]) -> dict[str, str]:
        return {"subject": user.subject}

    @app.get("/admin")
    async def admin(user: Annotated[fastapi.Principal, Depends(auth.requires("admin", fresh=60))]) -> dict[str, str]:
        return {"subject": user.subject}

    @app.websocket("/socket")
    async def socket(websocket: FastApiWebSocket, user: Annotated[fastapi.Principal, Depends(auth.required)]) -> None:
        await websocket.accept()
        await websocket.send_text(user.subject)
        await websocket.close()

    @app.websocket("/waiting")
    async def waiting(websocket: FastApiWebSocket, user: Annotated[fastapi.Principal, Depends(auth.required)]) -> None:
        await websocket.accept()
        await websocket.receive()

    return app, auth


def litestar_app(**given: Any) -> tuple[Any, litestar.Keyturn]:
    auth = litestar.Keyturn(**given)

    @get("/open")
    async def unguarded() -> dict[str, str]:
        return {}

    @get("/page")
    async def page(principal: litestar.RequiredPrincipal) -> dict[str, str]:
        return {"subject": principal.subject}

    @get("/admin", guards=[auth.guard("admin", fresh=60)])
    async def admin(principal: litestar.RequiredPrincipal) -> dict[str, str]:
        return {"subject": principal.subject}

    @websocket("/socket")
    async def socket(socket: LitestarSocket[Any, Any, Any], principal: litestar.RequiredPrincipal) -> None:
        await socket.accept()
        await socket.send_text(principal.subject)
        await socket.close()

    @websocket("/waiting")
    async def waiting(socket: LitestarSocket[Any, Any, Any], principal: litestar.RequiredPrincipal) -> None:
        await socket.accept()
        await socket.receive()

    return Litestar([unguarded, page, admin, socket, waiting], plugins=[auth]), auth


APPS = {"starlette": starlette_app, "fastapi": fastapi_app, "litestar": litestar_app}
