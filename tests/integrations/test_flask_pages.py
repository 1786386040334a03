"""Pages of a Flask application: the way to the login, forms of its templates, and logins by its own views."""

from collections.abc import Iterator

import pytest
from flask import Flask, redirect, render_template_string
from werkzeug.wrappers import Response

from integrations.flask_client import PASSWORD
from integrations.fronts.flask_front import caller, make_app
from integrations.sync_issuer import ISSUER, SyncIssuer, cookie
from keyturn.errors import ConfigurationError
from keyturn.integrations.flask import Keyturn, principal
from web.exchanges import Sent, wsgi_environ


@pytest.fixture
def issuer() -> Iterator[SyncIssuer]:
    issuer = SyncIssuer()
    yield issuer
    issuer.close()


@pytest.fixture
def app(issuer: SyncIssuer) -> Flask:
    return make_app(issuer)


def test_a_browser_without_a_login_is_sent_to_the_login_page(issuer: SyncIssuer) -> None:
    app = Flask(__name__)
    auth = Keyturn(app, issuer, login_page="/enter", step_up_page="/confirm")
    app.add_url_rule("/orders", view_func=auth.required(fresh=300)(caller))
    page = {"Accept": "text/html,*/*;q=0.8"}
    answer = app.test_client().get("/orders?page=2", headers=page)
    assert (answer.status_code, answer.location) == (303, "/enter?next=%2Forders%3Fpage%3D2")
    assert app.test_client().get("/orders").status_code == 401
    issued = issuer.enroll()
    issuer.clock.now += 301
    issuer.monotonic.now += 301
    issuer.refresh_feed()
    answer = app.test_client(use_cookies=False).get("/orders", headers={**page, "Cookie": cookie(issued)[1].decode()})
    assert answer.location == "/confirm?next=%2Forders"


def test_a_page_of_a_trusted_origin_may_call_views(issuer: SyncIssuer) -> None:
    app = Flask(__name__)
    auth = Keyturn(app, issuer, trusted_origins=("https://shop.example",))
    app.add_url_rule("/orders", view_func=auth.required(caller))
    app.add_url_rule("/own", view_func=lambda: ("", {"Access-Control-Allow-Origin": "*"}))
    client, trusted = app.test_client(), {"Origin": "https://shop.example"}
    answer = client.options("/orders", headers={**trusted, "Access-Control-Request-Method": "POST"})
    assert (answer.status_code, answer.access_control_allow_origin) == (204, "https://shop.example")
    assert client.get("/orders", headers=trusted).access_control_allow_origin == "https://shop.example"
    assert client.get("/own", headers=trusted).access_control_allow_origin == "*"
    refused = client.get("/orders", headers={"Origin": "https://evil.example"})
    assert (refused.access_control_allow_origin, refused.headers["Vary"]) == (None, "Origin")
    account = {"email": "grace@example.com", "password": PASSWORD}
    assert client.post("/auth/signup", json=account, headers={"Origin": "https://evil.example"}).status_code == 403
    signed_up = client.post("/auth/signup", json=account, headers=trusted)
    assert (signed_up.status_code, signed_up.access_control_allow_origin) == (201, "https://shop.example")


def test_a_form_of_a_template_logs_in_by_its_hidden_token(app: Flask) -> None:
    @app.get("/enter")
    def enter() -> str:
        return render_template_string("{{ keyturn_csrf_token() }}")

    client = app.test_client()
    answer = client.get("/enter", base_url=ISSUER)
    fields = {"email": "ada@example.com", "password": PASSWORD, "csrf_token": answer.text, "next": "/private"}
    assert answer.headers["Cache-Control"] == "no-store"
    answer = client.post("/auth/signup", data=fields, base_url=ISSUER)
    assert (answer.status_code, answer.location) == (303, "/private")
    assert client.get("/private", base_url=ISSUER).status_code == 200


def test_the_forms_of_one_page_share_their_token_and_cookie(app: Flask) -> None:
    @app.get("/enter")
    def enter() -> str:
        return render_template_string("{{ keyturn_csrf_token() }} {{ keyturn_csrf_token() }}")

    answer = app.test_client().get("/enter", base_url=ISSUER)
    first, second = answer.text.split()
    assert first == second
    assert len(answer.headers.getlist("Set-Cookie")) == 1


def test_a_view_of_ones_own_logs_in_and_out(app: Flask, issuer: SyncIssuer) -> None:
    (auth,) = app.extensions["keyturn"]

    @app.post("/enter")
    def enter() -> Response:
        response: Response = auth.add_login(redirect("/private"), issuer.enroll(deliver="cookie"))
        return response

    @app.post("/leave")
    @auth.required
    def leave() -> Response:
        issuer.logout(principal.sid)
        response: Response = auth.add_logout(redirect("/"))
        return response

    client = app.test_client()
    answer = client.post("/enter", base_url=ISSUER)
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/private", base_url=ISSUER).status_code == 200
    assert client.post("/leave", base_url=ISSUER).status_code == 302
    assert client.get_cookie("__Host-kt_session", "auth.example.com") is None


def test_a_resource_server_has_no_pages_of_logins(issuer: SyncIssuer) -> None:
    app = make_app(verifier=issuer.verifier())
    (auth,) = app.extensions["keyturn"]
    with app.test_request_context():
        with pytest.raises(ConfigurationError, match="issuer"):
            auth.csrf_token()
        with pytest.raises(ConfigurationError, match="issuer"):
            auth.issuer  # noqa: B018
    integration = app.extensions["keyturn"][auth]
    assert integration.answer(wsgi_environ(Sent("GET", "/auth/session"))).status == 404
