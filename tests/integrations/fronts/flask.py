"""A Flask application of the exchange suite."""

from flask import Flask

from keyturn import Issuer, Verifier
from keyturn.integrations.flask import Keyturn, principal
from web.exchanges import Answer, Sent, send_wsgi


def make_app(issuer: Issuer | None = None, *, verifier: Verifier | None = None) -> Flask:
    app = Flask(__name__)
    auth = Keyturn(app, issuer, verifier=verifier)

    @app.route("/private", methods=["GET", "POST"])
    @auth.required
    def private() -> dict[str, str | None]:
        return caller()

    @app.route("/public", methods=["GET", "POST"])
    @auth.optional
    def public() -> dict[str, str | None]:
        return caller()

    @app.route("/admin", methods=["GET", "POST"])
    @auth.required("admin")
    def admin() -> dict[str, str | None]:
        return caller()

    @app.route("/fresh", methods=["GET", "POST"])
    @auth.required(fresh=300)
    def fresh() -> dict[str, str | None]:
        return caller()

    return app


def caller() -> dict[str, str | None]:
    return {"sid": principal.sid, "subject": principal.subject} if principal else {"sid": None, "subject": None}


def send(app: Flask, sent: Sent) -> Answer:
    return send_wsgi(app, sent)
