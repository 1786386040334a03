"""An API that takes access tokens, in Litestar: it needs the URL of the issuer, not its database, and no secret."""

import os

from litestar import Litestar, get

from keyturn import AsyncVerifier
from keyturn.integrations.litestar import Keyturn, RequiredPrincipal

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")


@get("/orders")
async def orders(principal: RequiredPrincipal) -> dict[str, str]:
    return {"orders_of": principal.subject}


app = Litestar([orders], plugins=[Keyturn(verifier=AsyncVerifier(ISSUER, audience=ISSUER))])
