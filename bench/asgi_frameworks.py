"""Applications of Starlette, FastAPI and Litestar: a bare route, the same with Keyturn, and with the usual choice."""

import time
from base64 import b64encode
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse as FastAPIText
from fastapi.security import OAuth2PasswordBearer
from itsdangerous import TimestampSigner
from litestar import Litestar, MediaType, get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation
from litestar.security.jwt import JWTAuth, Token
from litestar.types import Scope
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser, requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bench.fixtures import AUDIENCE, ISSUER
from bench.framework_sides import EMPTY, SECRET, USERS, Applications, Peer
from bench.requests import bare
from keyturn import AsyncIssuer
from keyturn.integrations import fastapi, litestar, starlette
from keyturn.integrations.asgi import AuthMiddleware


def middleware_applications(issuer: AsyncIssuer) -> Applications:
    """Return an ASGI application without a framework, and the middleware around it."""
    return Applications({"bare application": bare}, AuthMiddleware(bare, issuer=issuer), ())


def starlette_applications(issuer: AsyncIssuer) -> Applications:
    """Return applications of Starlette. Its usual choice: the middleware of its documentation."""

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    protected = Starlette()
    auth = starlette.Keyturn(protected, issuer)
    protected.add_route("/", auth.required(hello))
    stack = [
        Middleware(SessionMiddleware, secret_key=SECRET, https_only=True),
        Middleware(AuthenticationMiddleware, backend=_SessionBackend()),
    ]
    usual = Starlette(routes=[Route("/", requires("authenticated")(hello))], middleware=stack)
    peer = Peer("SessionMiddleware, AuthenticationMiddleware", usual, "cookie", f"session={_starlette_session()}")
    return Applications({"bare route": Starlette(routes=[Route("/", hello)])}, protected, (peer,))


class _SessionBackend(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.session.get("user")
        return None if name is None else (AuthCredentials(["authenticated"]), SimpleUser(USERS[name]))


def _starlette_session() -> str:
    return TimestampSigner(SECRET).sign(b64encode(b'{"user": "ada"}')).decode()


def fastapi_applications(issuer: AsyncIssuer) -> Applications:
    """Return applications of FastAPI. Its usual choice: OAuth2 with JWT, as in its tutorial on security."""
    plain, empty, protected = FastAPI(), FastAPI(), FastAPI()
    auth = fastapi.Keyturn(protected, issuer)

    @plain.get("/")
    async def hello() -> FastAPIText:
        return FastAPIText("hello")

    async def nothing() -> None:
        return None

    @empty.get("/")
    async def hello_empty(_: Annotated[None, Depends(nothing)]) -> FastAPIText:
        return FastAPIText("hello")

    @protected.get("/")
    async def hello_principal(_: Annotated[fastapi.Principal, Depends(auth.required)]) -> FastAPIText:
        return FastAPIText("hello")

    return Applications({EMPTY: empty, "bare route": plain}, protected, (_fastapi_tutorial(),))


def _fastapi_tutorial() -> Peer:
    app, bearer = FastAPI(), OAuth2PasswordBearer("token")

    async def current_user(token: Annotated[str, Depends(bearer)]) -> str:
        try:
            return USERS[jwt.decode(token, SECRET, algorithms=["HS256"])["sub"]]
        except (jwt.InvalidTokenError, KeyError):
            raise HTTPException(401) from None

    async def active_user(user: Annotated[str, Depends(current_user)]) -> str:
        return user

    @app.get("/")
    async def hello(_: Annotated[str, Depends(active_user)]) -> FastAPIText:
        return FastAPIText("hello")

    return Peer("the tutorial's JWT", app, "authorization", f"Bearer {_jwt({})}")


def litestar_applications(issuer: AsyncIssuer) -> Applications:
    """Return applications of Litestar. Its usual choice: its ``JWTAuth``."""

    @get("/", media_type=MediaType.TEXT)
    async def hello_principal(principal: litestar.RequiredPrincipal) -> str:
        return "hello"

    async def nothing(scope: Scope) -> None:
        return None

    @get("/", media_type=MediaType.TEXT, dependencies={"nothing": Provide(nothing)})
    async def hello_empty(nothing: NamedDependency[SkipValidation[None]]) -> str:
        return "hello"

    baselines = {"bare route": Litestar([_litestar_route()]), EMPTY: Litestar([hello_empty])}
    protected = Litestar([hello_principal], plugins=[litestar.Keyturn(issuer)])
    return Applications(baselines, protected, (_litestar_jwt(),))


def _litestar_jwt() -> Peer:
    async def find_user(token: Token, _: ASGIConnection[Any, Any, Any, Any]) -> str | None:
        return USERS.get(token.sub)

    usual = JWTAuth[str](retrieve_user_handler=find_user, token_secret=SECRET, accepted_audiences=[AUDIENCE])
    app, token = Litestar([_litestar_route()], on_app_init=[usual.on_app_init]), _jwt({"iss": ISSUER, "aud": AUDIENCE})
    return Peer("JWTAuth", app, "authorization", f"Bearer {token}")


def _litestar_route() -> HTTPRouteHandler:
    @get("/", media_type=MediaType.TEXT)
    async def hello() -> str:
        return "hello"

    return hello


def _jwt(more: dict[str, str]) -> str:
    now = int(time.time())
    return jwt.encode({"sub": "ada", "iat": now, "exp": now + 3600, **more}, SECRET)
