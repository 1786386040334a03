"""The routes of ``front`` in FastAPI."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI

from integrations.fronts.front import FRESH_SECONDS, SCOPE, Front, over_asgi, shown
from keyturn import AsyncIssuer
from keyturn.integrations.fastapi import Keyturn, Principal
from web.exchanges import Answer, Sent

Shown = dict[str, str | None]
METHODS = ["GET", "HEAD", "POST"]


def build(issuer: AsyncIssuer) -> Callable[[Sent], Answer]:
    app = FastAPI()
    auth = Keyturn(app, issuer)

    @app.api_route("/private", methods=METHODS)
    async def private(caller: Annotated[Principal, Depends(auth.required)]) -> Shown:
        return shown(caller)

    @app.api_route("/public", methods=METHODS)
    async def public(caller: Annotated[Principal | None, Depends(auth.optional)]) -> Shown:
        return shown(caller)

    @app.api_route("/admin", methods=METHODS)
    async def admin(caller: Annotated[Principal, Depends(auth.requires(SCOPE))]) -> Shown:
        return shown(caller)

    @app.api_route("/fresh", methods=METHODS)
    async def fresh(caller: Annotated[Principal, Depends(auth.requires(fresh=FRESH_SECONDS))]) -> Shown:
        return shown(caller)

    return over_asgi(app)


FRONT = Front(build)
