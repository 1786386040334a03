"""An API that takes access tokens: it needs the URL of the issuer, and neither its database nor a secret."""

import os

from fastapi import FastAPI, Request

from keyturn import AsyncVerifier, Principal
from keyturn.integrations.asgi import PRINCIPAL, AuthMiddleware

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")

app = FastAPI(openapi_url=None)
app.add_middleware(AuthMiddleware, verifier=AsyncVerifier(ISSUER, audience=ISSUER))


@app.get("/orders")
async def orders(request: Request) -> dict[str, str]:
    principal: Principal = request.scope[PRINCIPAL]
    return {"orders_of": principal.subject}
