"""Applications of each framework with a page that shows the application's own object of the caller."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from flask import Flask
from litestar import Litestar, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from flows.own_accounts import DictAccounts
from keyturn.integrations import fastapi, flask, litestar, starlette
from web.exchanges import Answer, Sent, send_asgi, send_wsgi


@dataclass
class Customer:
    """The application's own object."""

    number: str
    email: str


class Customers(DictAccounts):
    """Accounts with an object of each. ``loads``: how many were loaded."""

    loads = 0

    def user(self, subject: str) -> Customer | None:
        self.loads += 1
        row = self.rows.get(subject)
        return None if row is None else Customer(subject, row.identifier)


def show(customer: Any) -> dict[str, str]:
    assert isinstance(customer, Customer)
    return {"email": customer.email}


def starlette_app(**given: Any) -> Callable[[Sent], Answer]:
    app = Starlette()
    auth = starlette.Keyturn(app, **given)

    @auth.required
    async def mine(request: Request) -> JSONResponse:
        assert await auth.user(request) is await auth.user(request)
        return JSONResponse(show(await auth.user(request)))

    @auth.optional
    async def public(request: Request) -> JSONResponse:
        return JSONResponse(show(await auth.user(request)))

    app.router.routes.extend([Route("/mine", mine), Route("/public", public)])
    return lambda sent: send_asgi(app, sent)


def fastapi_app(**given: Any) -> Callable[[Sent], Answer]:
    app = FastAPI()
    auth = fastapi.Keyturn(app, **given)

    @app.get("/mine")
    async def mine(
        customer: Annotated[Customer, Depends(auth.user)], again: Annotated[Customer, Depends(auth.user)]
    ) -> dict[str, str]:
        assert customer is again
        return show(customer)

    return lambda sent: send_asgi(app, sent)


def litestar_app(**given: Any) -> Callable[[Sent], Answer]:
    auth = litestar.Keyturn(**given)

    @get("/mine", dependencies={"customer": auth.user, "again": auth.user})
    async def mine(
        customer: NamedDependency[SkipValidation[Customer]], again: NamedDependency[SkipValidation[Customer]]
    ) -> dict[str, str]:
        assert customer is again
        return show(customer)

    app = Litestar([mine], plugins=[auth])
    return lambda sent: send_asgi(app, sent)


def flask_app(**given: Any) -> Callable[[Sent], Answer]:
    app = Flask(__name__)
    auth = flask.Keyturn(app, given.pop("issuer", None), **given)

    @app.get("/mine")
    @auth.required
    def mine() -> dict[str, str]:
        assert auth.user is auth.user
        return show(auth.user)

    @app.get("/public")
    @auth.optional
    def public() -> dict[str, str]:
        return show(auth.user)

    return lambda sent: send_wsgi(app, sent)
