"""The routes of ``front`` in Flask."""

from collections.abc import Callable

from flask import Flask

from integrations.fronts.front import FRESH_SECONDS, SCOPE, Front, shown
from keyturn import Issuer, Verifier
from keyturn.integrations.flask import Keyturn, principal
from web.exchanges import Answer, Sent, send_wsgi


def make_app(issuer: Issuer | None = None, *, verifier: Verifier | None = None) -> Flask:
    app = Flask(__name__)
    auth = Keyturn(app, issuer, verifier=verifier)
    views = {
        "private": auth.required(caller),
        "public": auth.optional(caller),
        "admin": auth.required(SCOPE)(caller),
        "fresh": auth.required(fresh=FRESH_SECONDS)(caller),
    }
    for name, view in views.items():
        app.add_url_rule(f"/{name}", name, view, methods=["GET", "POST"])
    return app


def caller() -> dict[str, str | None]:
    return shown(principal or None)


def build(issuer: Issuer) -> Callable[[Sent], Answer]:
    app = make_app(issuer)

    def send(sent: Sent) -> Answer:
        answer = send_wsgi(app, sent)
        return Answer(answer.status, tuple((name.lower(), value) for name, value in answer.headers), answer.body)

    return send


FRONT = Front(build, is_async=False)
