"""An API that takes access tokens, in FastAPI: it needs the URL of the issuer, not its database, and no secret."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI

from keyturn import AsyncVerifier
from keyturn.integrations.fastapi import Keyturn, Principal

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")

app = FastAPI()
auth = Keyturn(app, verifier=AsyncVerifier(ISSUER, audience=ISSUER))


@app.get("/orders")
async def orders(user: Annotated[Principal, Depends(auth.required)]) -> dict[str, str]:
    return {"orders_of": user.subject}
