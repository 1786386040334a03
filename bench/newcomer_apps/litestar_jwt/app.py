from typing import Any
from uuid import UUID, uuid4

from litestar import Litestar, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.security.jwt import JWTAuth, Token
from pydantic import BaseModel


class User(BaseModel):
    id: UUID
    name: str


users: dict[str, User] = {}


async def retrieve_user(token: Token, connection: ASGIConnection[Any, Any, Any, Any]) -> User | None:
    return users.get(token.sub)


auth = JWTAuth[User](
    retrieve_user_handler=retrieve_user,
    token_secret="a secret of at least 32 characters",
    exclude=["/login", "/schema"],
)


@post("/login")
async def login(data: dict[str, str]) -> Response[User]:
    user = next((each for each in users.values() if each.name == data["name"]), None) or User(
        id=uuid4(), name=data["name"]
    )
    users[str(user.id)] = user
    return auth.login(identifier=str(user.id), response_body=user)


@get("/me")
async def me(request: Request[User, Token, Any]) -> User:
    return request.user


app = Litestar([login, me], on_app_init=[auth.on_app_init])
