"""The Django integration: endpoints, decorators, refusals, CORS and tests of a project, by WSGI and by ASGI."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from integrations.fronts import django_front as front  # isort: skip  (it configures Django)

from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings

from integrations.fronts.django_urls import caller
from integrations.sync_issuer import ISSUER, SETTINGS, SyncIssuer, bearer, cookie
from integrations.sync_issuer import PASSWORD as ADA_PASSWORD
from keyturn import Principal
from keyturn.errors import ConfigurationError, Unauthenticated
from keyturn.flows import IssuedCredentials
from keyturn.integrations.django import KeyturnRequest, form_csrf_token, required
from keyturn.integrations.django import issuer as project_issuer
from keyturn.integrations.django.project import integration
from keyturn.web.wsgi_integration import OVERRIDE
from web.exchanges import HOST, JSON, PASSWORD, Answer, Sent

SENDERS = {"wsgi": (front.send, ""), "wsgi, coroutines": (front.send, "/async"), "asgi": (front.send_async, "")}
SENDERS["asgi, coroutines"] = (front.send_async, "/async")
Ask = Callable[..., Answer]


@pytest.fixture
def issuer() -> Iterator[SyncIssuer]:
    issuer = SyncIssuer()
    with front.open_project(issuer):
        yield issuer
    issuer.close()


@pytest.fixture(params=SENDERS)
def ask(request: pytest.FixtureRequest) -> Ask:
    send, prefix = SENDERS[request.param]

    def ask(path: str, *headers: tuple[bytes, bytes], method: str = "GET", body: bytes = b"") -> Answer:
        whole = path if path.startswith(("/auth", "/.well")) else prefix + path
        return send(Sent(method, whole, (HOST, *headers), body))

    return ask


def sid(answer: Answer) -> tuple[int, str | None]:
    return answer.status, json.loads(answer.body)["sid"]


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["code"]


def by(issued: IssuedCredentials) -> tuple[int, str]:
    return 200, issued.session.sid


def test_the_endpoints_are_urls_of_the_project(issuer: SyncIssuer, ask: Ask) -> None:
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}).encode()
    answer = ask("/auth/signup", JSON, method="POST", body=body)
    assert answer.status == 201
    session, _ = answer.values(b"set-cookie")
    assert {each.strip() for each in session.decode().split(";")[1:]} == {
        "HttpOnly",
        "Max-Age=2592000",
        "Path=/",
        "SameSite=Lax",
        "Secure",
    }
    pair = (b"cookie", session.partition(b";")[0])
    assert sid(ask("/private", pair)) == sid(ask("/auth/session", pair))
    ended = ask("/auth/logout", pair, method="POST")
    assert (ended.status, len(ended.values(b"set-cookie"))) == (200, 3)
    assert code(ask("/private", pair)) == (401, "token_revoked")


def test_the_endpoints_keep_their_own_answers(issuer: SyncIssuer, ask: Ask) -> None:
    assert ask("/.well-known/jwks.json").status == 200
    assert code(ask("/auth/nothing")) == (404, "not_found")
    assert code(ask("/auth/login", method="PATCH")) == (405, "method_not_allowed")
    assert code(ask("/auth/login", JSON, method="POST", body=b" " * 20_000)) == (413, "payload_too_large")
    assert code(ask("/auth/%6cogin", JSON, method="POST", body=b"{}"))[1] in ("not_found", "invalid_member")


def test_a_view_sees_the_caller_of_each_credential(issuer: SyncIssuer, ask: Ask) -> None:
    issued = issuer.enroll()
    for credential in (cookie, bearer):
        for path in ("/private", "/public", "/fresh", "/private"):
            assert sid(ask(path, credential(issued))) == by(issued)
    assert sid(ask("/public")) == (200, None)
    assert sid(ask("/public", (b"cookie", b"__Host-kt_session=x"))) == (200, None)
    assert code(ask("/private")) == (401, "unauthenticated")
    assert code(ask("/public", (b"authorization", b"Bearer x"))) == (401, "token_malformed")


def test_a_view_requires_scopes_and_a_recent_authentication(issuer: SyncIssuer, ask: Ask) -> None:
    issued, admin = issuer.enroll(), issuer.enroll("root", scope="admin")
    assert code(ask("/admin", bearer(issued))) == (403, "forbidden")
    for _ in range(2):
        assert sid(ask("/admin", bearer(admin))) == by(admin)
    issuer.clock.now += 301
    issuer.monotonic.now += 301
    issuer.refresh_feed()
    assert code(ask("/fresh", bearer(issued))) == (403, "step_up_required")


def test_a_post_is_judged_by_the_csrf_check_of_keyturn_alone(issuer: SyncIssuer, ask: Ask) -> None:
    issued = issuer.enroll()
    same, other = (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")
    assert sid(ask("/private", cookie(issued), same, method="POST")) == by(issued)
    assert sid(ask("/private", bearer(issued), method="POST")) == by(issued)
    assert code(ask("/private", cookie(issued), other, method="POST")) == (403, "cross_origin")


def test_an_optional_view_keeps_the_csrf_check_of_django(issuer: SyncIssuer, ask: Ask) -> None:
    """It may trust a cookie of Django, which Keyturn does not judge."""
    assert ask("/checked-by-django", method="POST").status == 403
    assert ask("/public", method="POST").status == 200


def test_classes_of_views_are_protected_by_a_mixin(issuer: SyncIssuer, ask: Ask) -> None:
    issued, admin = issuer.enroll(), issuer.enroll("root", scope="admin")
    for send in (front.send, front.send_async):
        assert sid(send(Sent("GET", "/orders", (HOST, bearer(admin))))) == by(admin)
        assert send(Sent("GET", "/orders", (HOST, bearer(issued)))).status == 403
        assert sid(send(Sent("GET", "/async-orders", (HOST, bearer(issued))))) == by(issued)
        assert send(Sent("GET", "/async-orders")).status == 401


def test_nothing_is_judged_before_a_view_asks(issuer: SyncIssuer) -> None:
    for send in (front.send, front.send_async):
        assert send(Sent("GET", "/bare", (HOST, (b"authorization", b"Bearer x")))).body == b"bare"


def test_a_refusal_is_a_problem_document_of_the_issuer(issuer: SyncIssuer, ask: Ask) -> None:
    answer = ask("/private")
    assert answer.values(b"content-type") == [b"application/problem+json"]
    assert answer.values(b"www-authenticate") == [b"Bearer"]
    assert json.loads(answer.body)["type"] == f"{ISSUER}/docs/errors#unauthenticated"


class Overriding:
    """A middleware of the project behind that of Keyturn."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, _: HttpRequest, exception: Exception) -> HttpResponse | None:
        return HttpResponse(exception.code, status=401) if isinstance(exception, Unauthenticated) else None


def test_a_middleware_of_the_project_overrides_refusals(issuer: SyncIssuer) -> None:
    keyturn = "keyturn.integrations.django.middleware.KeyturnMiddleware"
    with override_settings(MIDDLEWARE=[keyturn, f"{__name__}.Overriding"]):
        assert Client().get("/private").content == b"unauthenticated"
        token = bearer(issuer.enroll())[1].decode()
        assert Client().get("/admin", headers={"authorization": token}).json()["code"] == "forbidden"


def test_an_error_of_a_view_stays_an_error(issuer: SyncIssuer) -> None:
    issued = issuer.enroll()
    with pytest.raises(ZeroDivisionError):
        Client().get("/broken", headers={"authorization": bearer(issued)[1].decode()})
    client = Client(raise_request_exception=False)
    assert client.get("/broken", headers={"authorization": bearer(issued)[1].decode()}).status_code == 500


def test_a_browser_without_a_login_is_sent_to_the_login_page(issuer: SyncIssuer) -> None:
    page = (HOST, (b"accept", b"text/html"))
    with front.open_project(issuer, LOGIN_PAGE="/enter"):
        for send in (front.send, front.send_async):
            answer = send(Sent("GET", "/private?page=2", page))
            assert answer.values(b"location") == [b"/enter?next=%2Fprivate%3Fpage%3D2"]
            assert send(Sent("GET", "/private")).status == 401


def test_the_forms_of_one_page_share_their_token(issuer: SyncIssuer) -> None:
    request = RequestFactory().get("/enter", secure=True)
    assert form_csrf_token(request) == form_csrf_token(request)


def test_a_form_of_a_template_signs_up_by_its_hidden_token(issuer: SyncIssuer) -> None:
    client = Client(HTTP_HOST="auth.example.com")
    page = client.get("/enter", secure=True)
    assert page.headers["Cache-Control"] == "no-store"
    fields = {"email": "ada@example.com", "password": PASSWORD, "csrf_token": page.text, "next": "/private"}
    body = urlencode(fields)
    answer = client.post("/auth/signup", body, "application/x-www-form-urlencoded", secure=True)
    assert (answer.status_code, answer.headers["location"]) == (303, "/private")
    assert client.get("/private", secure=True).status_code == 200


def test_a_view_of_ones_own_logs_in_and_out(issuer: SyncIssuer) -> None:
    issuer.enroll()
    client = Client(HTTP_HOST="auth.example.com")
    assert client.post("/enter", {"password": ADA_PASSWORD}, secure=True).headers["Cache-Control"] == "no-store"
    assert client.get("/private", secure=True).status_code == 200
    client.get("/leave", secure=True)
    assert client.cookies["__Host-kt_session"].value == ""
    assert client.get("/private", secure=True).status_code in (400, 401)


def test_a_page_of_a_trusted_origin_may_call_views(issuer: SyncIssuer) -> None:
    origin, other = (b"origin", b"https://shop.example"), (b"origin", b"https://evil.example")
    asked = (b"access-control-request-method", b"POST")
    with front.open_project(issuer, TRUSTED_ORIGINS=("https://shop.example",)):
        for send in (front.send, front.send_async):
            answer = send(Sent("OPTIONS", "/private", (HOST, origin, asked)))
            assert (answer.status, allowed(answer)) == (204, [b"https://shop.example"])
            assert allowed(send(Sent("GET", "/private", (HOST, origin)))) == [b"https://shop.example"]
            refused = send(Sent("GET", "/private", (HOST, other)))
            assert (allowed(refused), refused.values(b"vary")) == ([], [b"Origin"])
        body = json.dumps({"email": "grace@example.com", "password": PASSWORD}).encode()
        assert front.send(Sent("POST", "/auth/signup", (HOST, JSON, other), body)).status == 403
        signed_up = front.send(Sent("POST", "/auth/signup", (HOST, JSON, origin), body))
        assert (signed_up.status, allowed(signed_up)) == (201, [b"https://shop.example"])


def allowed(answer: Answer) -> list[bytes]:
    return [value for name, value in answer.headers if name == b"access-control-allow-origin"]


def test_a_resource_server_has_no_endpoints(issuer: SyncIssuer, ask: Ask) -> None:
    issued = issuer.enroll()
    with front.open_project(issuer.verifier()):
        for _ in range(2):
            assert sid(ask("/private", bearer(issued))) == by(issued)
        assert code(ask("/private", cookie(issued))) == (401, "unauthenticated")
        assert code(ask("/auth/session")) == (404, "not_found")


@pytest.fixture
def ada(issuer: SyncIssuer) -> Principal:
    return issuer.verify(bearer(issuer.enroll())[1][7:].decode())


def test_a_test_names_the_principal_of_its_requests(ada: Principal) -> None:
    client = Client(**{OVERRIDE: ada._replace(scope=("admin",))})  # type: ignore[arg-type]
    assert client.get("/admin").json()["sid"] == ada.sid
    assert Client(**{OVERRIDE: ada}).get("/admin").status_code == 403  # type: ignore[arg-type]
    assert client.get("/admin", headers={OVERRIDE: "x"}, **{OVERRIDE: "x"}).status_code == 401  # type: ignore[arg-type]


def test_a_test_calls_a_view_with_a_request_of_its_own(ada: Principal) -> None:
    request: Any = RequestFactory().get("/", **{OVERRIDE: ada})  # type: ignore[arg-type]
    assert json.loads(required(caller)(request).content)["sid"] == ada.sid
    with pytest.raises(Unauthenticated):
        required(caller)(RequestFactory().get("/"))  # type: ignore[arg-type]
    undecorated: Any = KeyturnRequest()
    undecorated.principal = ada
    assert json.loads(caller(undecorated).content)["sid"] == ada.sid


def test_settings_of_an_issuer_are_those_of_the_project() -> None:
    named = {name.upper(): value for name, value in SETTINGS.items()}
    with override_settings(KEYTURN=named):
        assert project_issuer().config.issuer == ISSUER
        assert integration() is integration()
    with override_settings(KEYTURN={**named, "NONSENSE": "x"}), pytest.raises(ConfigurationError, match="nonsense"):
        Client().get("/bare")


def test_a_body_that_a_middleware_has_read_reaches_the_endpoint(issuer: SyncIssuer) -> None:
    with override_settings(MIDDLEWARE=[f"{__name__}.Reading", *django_middleware()]):
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}
        for send in (front.send, front.send_async):
            answer = send(Sent("POST", "/auth/login", (HOST, JSON), json.dumps(body).encode()))
            assert code(answer) == (401, "login_failed")


def django_middleware() -> list[str]:
    from django.conf import settings

    return list(settings.MIDDLEWARE)


class Reading(Overriding):
    def __call__(self, request: HttpRequest) -> HttpResponse:
        assert request.body
        return self.get_response(request)
