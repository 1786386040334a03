"""The routes of ``front`` as plain ASGI applications behind ``AuthMiddleware``."""

import json
from collections.abc import Callable
from typing import Any

from integrations.fronts.front import FRESH_SECONDS, SCOPE, Front, over_asgi, shown
from keyturn import AsyncIssuer, Refusal
from keyturn.integrations.asgi import PRINCIPAL, AuthMiddleware
from keyturn.web.asgi import AsgiEndpoints
from keyturn.web.asgi_auth import AsgiAuth, Requirement
from web.exchanges import Answer, Sent

REQUIREMENTS = {"/admin": Requirement((SCOPE,)), "/fresh": Requirement(fresh=FRESH_SECONDS)}


def build(issuer: AsyncIssuer) -> Callable[[Sent], Answer]:
    auth = AsgiAuth(issuer)
    endpoints = AsgiEndpoints(issuer)

    async def page(scope: Any, receive: Any, send: Any) -> None:
        caller = scope[PRINCIPAL]
        try:
            if scope["path"] in REQUIREMENTS:
                auth.check(caller, REQUIREMENTS[scope["path"]])
        except Refusal as refusal:
            await auth.refuse(refusal, scope, receive, send)
            return
        body = json.dumps(shown(caller)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    guarded, optional = AuthMiddleware(page, issuer=issuer), AuthMiddleware(page, issuer=issuer, optional=True)
    routes = {"/private": guarded, "/admin": guarded, "/fresh": guarded, "/public": optional}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await routes.get(scope["path"], endpoints)(scope, receive, send)

    return over_asgi(app)


FRONT = Front(build)
