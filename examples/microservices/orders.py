"""A service in Flask that verifies access tokens: it needs the issuer's URL, not its database."""

import os

from flask import Flask

from keyturn import Verifier
from keyturn.integrations.flask import Keyturn, principal

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
SERVICE_TOKEN = os.environ.get("SERVICE_TOKEN")

app = Flask(__name__)
auth = Keyturn(app, verifier=Verifier(ISSUER, audience="orders", service_token=SERVICE_TOKEN))


@app.get("/orders")
@auth.required
def orders() -> dict[str, str]:
    return {"orders_of": principal.subject}
