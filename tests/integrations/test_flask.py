"""The Flask integration: endpoints, decorators, refusals in Flask's own handling, and tests of an application."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Blueprint, Flask, g

from integrations.flask_client import PASSWORD, get, sid_of
from integrations.fronts.flask_front import caller, make_app
from integrations.sync_issuer import ISSUER, SETTINGS, SyncIssuer, bearer, cookie
from keyturn import AsyncIssuer, Refusal
from keyturn.errors import ConfigurationError, StepUpRequired, Unauthenticated
from keyturn.integrations.flask import Keyturn, principal
from keyturn.web.wsgi_integration import OVERRIDE


@pytest.fixture
def issuer() -> Iterator[SyncIssuer]:
    issuer = SyncIssuer()
    yield issuer
    issuer.close()


@pytest.fixture
def app(issuer: SyncIssuer) -> Flask:
    return make_app(issuer)


def test_one_line_mounts_the_endpoints(app: Flask) -> None:
    client = app.test_client()
    body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}
    base = "https://auth.example.com"
    assert client.post("/auth/signup", json=body, base_url=base).status_code == 201
    answer = client.get("/private", base_url=base)
    assert answer.get_json()["sid"] == client.get("/auth/session", base_url=base).get_json()["sid"]
    assert client.post("/auth/logout", base_url=base).status_code == 200
    assert client.get("/private", base_url=base).status_code == 401


def test_a_prefix_moves_the_endpoints_and_the_links_to_them(issuer: SyncIssuer) -> None:
    app = Flask(__name__)
    keyturn = Keyturn(app, issuer, prefix="/accounts/auth")

    @app.get("/private")
    @keyturn.required
    def private() -> str:
        return principal().sid

    for path in ("/accounts/auth/session", "/private"):
        status, problem = get(app, path)
        errors = f"{ISSUER}/accounts/auth/docs/errors#unauthenticated"
        assert (status, problem["type"]) == (401, errors)
    assert get(app, "/accounts/auth/docs/errors")[0] == 200
    assert get(app, "/.well-known/jwks.json")[0] == 200
    assert get(app, "/auth/session")[0] == get(app, "/docs/errors")[0] == 404


def test_the_endpoints_keep_their_own_answers(app: Flask) -> None:
    assert get(app, "/.well-known/jwks.json")[0] == 200
    assert get(app, "/docs/errors")[0] == 200
    for path, method, code in (
        ("/auth/nothing", "GET", "not_found"),
        ("/auth/login", "PATCH", "method_not_allowed"),
        ("/auth/session", "OPTIONS", "method_not_allowed"),
    ):
        assert get(app, path, method=method)[1]["code"] == code
    head = app.test_client().head("/auth/session", base_url="https://auth.example.com")
    whole = app.test_client().get("/auth/session", base_url="https://auth.example.com")
    assert (head.status_code, head.data, head.content_length) == (401, b"", len(whole.data))


def test_a_view_sees_the_caller_of_each_credential(app: Flask, issuer: SyncIssuer) -> None:
    issued = issuer.enroll()
    for credential in (cookie, bearer):
        for path in ("/private", "/public", "/fresh"):
            assert get(app, path, credential(issued)) == sid_of(issued)
    assert get(app, "/public") == (200, {"sid": None, "subject": None})
    assert get(app, "/private")[1]["code"] == "unauthenticated"


def test_a_view_requires_scopes_and_a_recent_authentication(app: Flask, issuer: SyncIssuer) -> None:
    issued, admin = issuer.enroll(), issuer.enroll("root", scope="admin")
    assert get(app, "/admin", bearer(issued))[1]["code"] == "forbidden"
    assert get(app, "/admin", bearer(admin)) == sid_of(admin)
    issuer.clock.now += 301
    issuer.monotonic.now += 301
    issuer.refresh_feed()
    assert get(app, "/fresh", bearer(issued))[1]["code"] == "step_up_required"
    assert get(app, "/private", bearer(issued)) == sid_of(issued)


def test_a_refusal_is_a_problem_document_of_the_issuer(app: Flask) -> None:
    answer = app.test_client().get("/private")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.get_json()["type"] == f"{ISSUER}/docs/errors#unauthenticated"
    assert app.test_client().head("/private").data == b""


def test_the_application_overrides_the_refusals_of_a_class(app: Flask) -> None:
    app.register_error_handler(StepUpRequired, lambda _: ("confirm", 403))
    app.register_error_handler(Unauthenticated, lambda refusal: (refusal.code, 401))
    assert app.test_client().get("/private").data == b"unauthenticated"
    assert app.test_client().get("/private", headers={"Authorization": "Bearer x"}).data == b"token_malformed"


def test_the_application_overrides_every_other_refusal(app: Flask, issuer: SyncIssuer) -> None:
    app.register_error_handler(Unauthenticated, lambda _: ("login", 401))
    app.register_error_handler(Refusal, lambda refusal: (refusal.code, 400))
    assert app.test_client().get("/private").data == b"login"
    headers = {"Authorization": bearer(issuer.enroll())[1].decode()}
    assert app.test_client().get("/admin", headers=headers).data == b"forbidden"


def test_two_requests_of_one_application_context_have_their_own_principals(app: Flask, issuer: SyncIssuer) -> None:
    ada, bob = issuer.enroll("ada"), issuer.enroll("bob")
    with app.app_context():
        g.mark = "shared"
        assert get(app, "/private", cookie(ada)) == sid_of(ada)
        assert get(app, "/public") == (200, {"sid": None, "subject": None})
        assert get(app, "/private", cookie(bob)) == sid_of(bob)


def test_nothing_is_judged_before_a_view_asks(app: Flask) -> None:
    @app.get("/bare")
    def bare() -> str:
        with pytest.raises(RuntimeError, match="required or optional"):
            str(principal)
        return "bare"

    assert app.test_client().get("/bare", headers={"Authorization": "Bearer x"}).data == b"bare"


def test_an_asynchronous_view_is_decorated_alike(issuer: SyncIssuer) -> None:
    app = Flask(__name__)
    auth = Keyturn(app, issuer)

    @app.get("/slow")
    @auth.required
    async def slow() -> dict[str, str | None]:
        return caller()

    issued = issuer.enroll()
    assert get(app, "/slow", bearer(issued)) == sid_of(issued)
    assert get(app, "/slow")[0] == 401


def test_a_blueprint_is_protected_as_a_whole(issuer: SyncIssuer) -> None:
    app, shop = Flask(__name__), Blueprint("shop", __name__)
    auth = Keyturn(app, issuer)
    shop.before_request(auth.required("admin")(lambda: None))
    shop.add_url_rule("/orders", view_func=caller)
    app.register_blueprint(shop)
    admin = issuer.enroll("root", scope="admin")
    assert get(app, "/orders", bearer(admin)) == sid_of(admin)
    assert get(app, "/orders", bearer(issuer.enroll()))[1]["code"] == "forbidden"
    assert get(app, "/orders")[0] == 401


def test_one_extension_serves_each_application_with_its_own_issuer(issuer: SyncIssuer) -> None:
    auth, other = Keyturn(), SyncIssuer()
    apps = Flask("one"), Flask("two")
    for app, each in zip(apps, (issuer, other), strict=True):
        app.add_url_rule("/private", view_func=auth.required(caller), endpoint="private")
        auth.init_app(app, each)
    issued = issuer.enroll()
    assert get(apps[0], "/private", bearer(issued)) == sid_of(issued)
    assert get(apps[1], "/private", bearer(issued))[0] == 401
    other.close()


def test_two_extensions_of_one_application_never_share_a_principal(issuer: SyncIssuer) -> None:
    """A view of the second issuer must not accept the login that a hook of the first one found."""
    app, other = Flask(__name__), SyncIssuer()
    first, second = Keyturn(app, issuer), Keyturn(app, verifier=other.verifier())
    app.before_request(first.required(lambda: None))
    app.add_url_rule("/private", view_func=second.required(caller))
    assert get(app, "/private", bearer(issuer.enroll()))[0] == 401
    other.close()


def test_an_extension_without_its_application_says_what_to_call(issuer: SyncIssuer) -> None:
    app = Flask(__name__)
    app.testing = True
    app.add_url_rule("/private", view_func=Keyturn().required(caller))
    with pytest.raises(RuntimeError, match="init_app"):
        app.test_client().get("/private")


def test_a_resource_server_has_no_endpoints(issuer: SyncIssuer) -> None:
    app, issued = make_app(verifier=issuer.verifier()), issuer.enroll()
    assert get(app, "/private", bearer(issued)) == sid_of(issued)
    assert get(app, "/private", cookie(issued))[0] == 401
    assert app.test_client().get("/auth/session").status_code == 404
    assert not [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/auth")]


def test_a_test_names_the_principal_of_its_requests(app: Flask, issuer: SyncIssuer) -> None:
    ada = issuer.verify(bearer(issuer.enroll())[1][7:].decode())
    client = app.test_client()
    client.environ_base[OVERRIDE] = ada._replace(scope=("admin",))
    assert client.get("/admin").get_json()["sid"] == ada.sid
    client.environ_base[OVERRIDE] = ada
    assert client.get("/admin").status_code == 403
    assert client.get("/public").get_json()["sid"] == ada.sid


@pytest.mark.parametrize("name", ["Keyturn.Override", "keyturn.override", "Keyturn-Override", "keyturn_override"])
def test_a_request_cannot_name_its_principal(app: Flask, name: str) -> None:
    assert app.test_client().get("/private", headers={name: "x"}).status_code == 401
    assert app.test_client().get("/private", environ_overrides={OVERRIDE: "x"}).status_code == 401


def test_settings_come_from_the_configuration_of_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Flask(__name__)
    app.config.update({f"KEYTURN_{name.upper()}": value for name, value in SETTINGS.items()})
    auth = Keyturn(app)
    with app.app_context():
        assert auth.issuer.config.issuer == ISSUER
    app.config["KEYTURN_NONSENSE"] = "x"
    with pytest.raises(ConfigurationError, match="nonsense"):
        Keyturn(app)


def test_an_asynchronous_issuer_is_refused(issuer: SyncIssuer) -> None:
    with pytest.raises(ConfigurationError):
        Keyturn(Flask(__name__), AsyncIssuer(issuer.settings))  # type: ignore[arg-type]
