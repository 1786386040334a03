"""The routes of ``front`` in Litestar."""

from collections.abc import Callable

from litestar import Litestar, route

from integrations.fronts.front import FRESH_SECONDS, SCOPE, Front, over_asgi, shown
from keyturn import AsyncIssuer
from keyturn.integrations.litestar import Keyturn, OptionalPrincipal, RequiredPrincipal
from web.exchanges import Answer, Sent

Shown = dict[str, str | None]
METHODS = ["GET", "HEAD", "POST"]


def build(issuer: AsyncIssuer) -> Callable[[Sent], Answer]:
    auth = Keyturn(issuer)

    @route("/private", http_method=METHODS, status_code=200)
    async def private(principal: RequiredPrincipal) -> Shown:
        return shown(principal)

    @route("/public", http_method=METHODS, status_code=200)
    async def public(optional_principal: OptionalPrincipal) -> Shown:
        return shown(optional_principal)

    @route("/admin", http_method=METHODS, status_code=200, dependencies={"principal": auth.requires(SCOPE)})
    async def admin(principal: RequiredPrincipal) -> Shown:
        return shown(principal)

    @route("/fresh", http_method=METHODS, status_code=200, guards=[auth.guard(fresh=FRESH_SECONDS)])
    async def fresh(principal: RequiredPrincipal) -> Shown:
        return shown(principal)

    return over_asgi(Litestar([private, public, admin, fresh], plugins=[auth]))


FRONT = Front(build)
