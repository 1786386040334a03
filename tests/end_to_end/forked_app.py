"""A Flask application under a server that forks. ``OPEN_AT_IMPORT``: it uses its issuer before the fork."""

import os

from flask import Flask

from keyturn.integrations.flask import Keyturn, principal

app = Flask(__name__)
app.config.update(KEYTURN_STORE=os.environ["STORE"], KEYTURN_SECRET="s3cret-" * 8, KEYTURN_ISSUER=os.environ["URL"])
auth = Keyturn(app)

if os.environ.get("OPEN_AT_IMPORT"):
    with app.app_context():
        auth.issuer.sessions("nobody")


@app.get("/me")
@auth.required
def me() -> dict[str, object]:
    return {"subject": principal.subject, "process": os.getpid()}
