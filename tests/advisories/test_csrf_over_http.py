"""CSRF over HTTP: unsafe endpoints by Sec-Fetch-Site, Origin and CSRF token; login, signup and logout CSRF.

Sources: CWE-352, OWASP CSRF Prevention Cheat Sheet, Go issue 73626 (``net/http.CrossOriginProtection``), "Robust
Defenses for Cross-Site Request Forgery" (Barth et al. 2008: login CSRF). The expected rules are repeated below.
"""

import json
from collections.abc import Iterator
from itertools import product

import pytest

from advisories.raw_http import (
    EMAIL,
    FORM_TYPE,
    HOST,
    JSON_TYPE,
    OTHER,
    OTHER_PASSWORD,
    Answer,
    RawClient,
    bearer,
    jar,
    make_client,
)

TRUSTED = b"https://app.example.net"
OWN = f"https://{HOST}".encode()  # the issuer: a proxy may replace the Host header
SITES = [None, b"same-origin", b"none", b"same-site", b"cross-site", b"garbage"]
ORIGINS = [
    None,
    f"https://{HOST}".encode(),
    TRUSTED,
    b"https://evil.example",
    b"null",
    f"https://{HOST}.evil.example".encode(),
    f"https://{HOST}:8443".encode(),
]
HOSTS = [HOST.encode(), b"evil.example"]
TOKENS = ["none", "own", "other session's", "session token", "two"]


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    with make_client(profile="browser-strict", trusted_origins=TRUSTED.decode()) as made:
        made.signup(OTHER, OTHER_PASSWORD)
        yield made


class Victim:
    """A browser with a login of each kind."""

    def __init__(self, client: RawClient, email: str) -> None:
        first, second = client.signup(email), client.login(email=email, deliver="token-cookies")
        self.session, self.csrf = first.cookies["__Host-kt_session"], first.json["csrf_token"]
        self.access, self.refresh = (second.cookies[f"__Host-kt_{role}"] for role in ("access", "refresh"))
        self.second_csrf = second.json["csrf_token"]
        self.sid = first.json["sid"]
        self.bearer = first.json["access_token"]


@pytest.fixture(scope="module")
def victim(client: RawClient) -> Victim:
    return Victim(client, EMAIL)


@pytest.fixture(scope="module")
def attackers_csrf(client: RawClient) -> str:
    token: str = client.login(email=OTHER, password=OTHER_PASSWORD).json["csrf_token"]
    return token


def headers_of(site: bytes | None, origin: bytes | None) -> list[tuple[bytes, bytes]]:
    named = [(b"sec-fetch-site", site), (b"origin", origin)]
    return [(name, value) for name, value in named if value is not None]


def same_origin(site: bytes | None, origin: bytes | None, host: bytes) -> bool:
    """Apply the expected rules: Fetch Metadata first, then a trusted origin, then Origin against Host."""
    if site in (b"same-origin", b"none") or origin == TRUSTED:
        return True
    if site is not None:
        return False
    return origin in (None, b"https://" + host, OWN)


# Wrong on purpose, so that what passes the guard changes nothing: the answer then is the endpoint's own refusal.
UNSAFE: dict[str, tuple[str, str, bytes]] = {
    "password": ("POST", "/auth/password", b'{"current_password": 1}'),
    "step-up": ("POST", "/auth/step-up", b'{"password": 1}'),
    "device": ("DELETE", "/auth/sessions/AAAAAAAAAAAAAAAAAAAAAA", b""),
}


@pytest.mark.parametrize("unsafe", UNSAFE)
@pytest.mark.parametrize("role", ["session", "access"])
@pytest.mark.conforms("ASVS 3.5.1")
def test_the_grid(client: RawClient, victim: Victim, attackers_csrf: str, unsafe: str, role: str) -> None:
    method, path, body = UNSAFE[unsafe]
    own = victim.csrf if role == "session" else victim.second_csrf
    cookie = jar({f"__Host-kt_{role}": getattr(victim, role)})
    tokens = {
        "none": [],
        "own": [own],
        "other session's": [attackers_csrf],
        "session token": [victim.session],
        "two": [own, own],
    }
    for site, origin, host, token in product(SITES, ORIGINS, HOSTS, TOKENS):
        headers = [JSON_TYPE, cookie, *headers_of(site, origin)]
        headers += [(b"x-csrf-token", each.encode()) for each in tokens[token]]
        answer = client.ask(method, path, headers, body, host=host)
        if not same_origin(site, origin, host):
            assert answer.json["code"] == "cross_origin", (site, origin, host, token)
        elif token != "own":
            assert answer.json["code"] == "csrf_token_required", (site, origin, host, token)
        else:
            assert answer.status in (400, 404), (site, origin, host, token)
    assert client.get("/auth/session", cookie).status == 200


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
def test_logout_csrf(client: RawClient, path: str) -> None:
    """Refuse a logout by another site, and by a page that does not know the CSRF token."""
    own = Victim(client, path.replace("/auth/", "") + "@example.com")
    cookie = jar({"__Host-kt_session": own.session})
    for site, origin, host in product(SITES, ORIGINS, HOSTS):
        if not same_origin(site, origin, host):
            assert client.ask("POST", path, [cookie, *headers_of(site, origin)], host=host).status == 403
    assert client.ask("POST", path, [cookie]).json["code"] == "csrf_token_required"
    assert client.get("/auth/session", cookie).status == 200
    assert client.ask("POST", path, [cookie, (b"x-csrf-token", own.csrf.encode())]).status == 200
    assert client.get("/auth/session", cookie).status == 401


@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup"])
def test_login_and_signup_csrf(client: RawClient, path: str) -> None:
    """The attacker logs the victim's browser in as himself: no cookie is needed for that, so none is looked at."""
    body = json.dumps({"email": OTHER, "password": OTHER_PASSWORD}).encode()
    for site, origin, host in product(SITES, ORIGINS, HOSTS):
        answer = client.ask("POST", path, [JSON_TYPE, *headers_of(site, origin)], body, host=host)
        if same_origin(site, origin, host):
            assert answer.status in (200, 409)
        else:
            assert answer.json["code"] == "cross_origin", (site, origin, host)


def test_refresh_by_cookie_is_guarded_and_refresh_by_body_needs_no_guard(client: RawClient) -> None:
    own = Victim(client, "refresher@example.com")
    grant, cookie = {"grant_type": "refresh_token"}, jar({"__Host-kt_refresh": own.refresh})
    token = (b"x-csrf-token", own.second_csrf.encode())
    for site, origin in product(SITES, ORIGINS):
        if not same_origin(site, origin, HOST.encode()):
            answer = client.form("/auth/token", grant, cookie, token, *headers_of(site, origin))
            assert answer.json["code"] == "cross_origin"
    assert client.form("/auth/token", grant, cookie).json["code"] == "csrf_token_required"
    wrong = (b"x-csrf-token", own.csrf.encode())
    assert client.form("/auth/token", grant, cookie, wrong).json["code"] == "csrf_token_required"
    assert client.form("/auth/token", grant, cookie, token, *headers_of(b"same-origin", None)).status == 200


def test_a_bearer_token_is_exempt_and_does_not_open_the_cookie_beside_it(client: RawClient) -> None:
    own, foreign = Victim(client, "bearer@example.com"), headers_of(b"cross-site", b"https://evil.example")
    path = f"/auth/sessions/{own.sid}"
    assert client.ask("DELETE", path, [bearer("x"), jar({"__Host-kt_session": own.session}), *foreign]).status == 401
    assert client.get("/auth/session", jar({"__Host-kt_session": own.session})).status == 200
    assert client.ask("DELETE", path, [bearer(own.bearer), *foreign]).status == 200


def simple_posts() -> Iterator[tuple[bytes, bytes]]:
    """Yield requests that any site can send without a preflight (Fetch: CORS-safelisted Content-Type)."""
    document = json.dumps({"email": OTHER, "password": OTHER_PASSWORD}).encode()
    yield b"text/plain", document
    yield b"text/plain;charset=utf-8", document
    yield b"text/plain; application/json", document
    yield b"application/x-www-form-urlencoded", document + b"="
    yield b"multipart/form-data; boundary=x", document
    yield b"application/json-patch+json", document
    yield b"application/json, text/plain", document
    yield b"text/json", document
    yield b"", document


@pytest.mark.parametrize("kind", [kind for kind, _ in simple_posts()])
@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup"])
@pytest.mark.conforms("ASVS 3.5.2")
def test_a_form_cannot_pass_for_json(client: RawClient, path: str, kind: bytes) -> None:
    body = dict(simple_posts())[kind]
    # A form is read as a form, which a JSON document is not.
    refused = (400, "bad_request") if kind == FORM_TYPE[1] else (415, "unsupported_media_type")
    answer = client.ask("POST", path, [(b"content-type", kind)], body)
    assert (answer.status, answer.json["code"]) == refused
    assert client.ask("POST", path, [], body).status == 415
    assert client.ask("POST", path, [JSON_TYPE, (b"content-type", kind)], body).status == 415


def test_json_cannot_pass_for_a_form(client: RawClient, victim: Victim) -> None:
    body = json.dumps({"grant_type": "refresh_token"}).encode()
    cookie = jar({"__Host-kt_refresh": victim.refresh})
    assert client.ask("POST", "/auth/token", [JSON_TYPE, cookie], body).status == 415
    assert client.ask("POST", "/auth/token", [FORM_TYPE, FORM_TYPE, cookie], b"grant_type=refresh_token").status == 415


@pytest.mark.parametrize("name", [b"x-http-method-override", b"x-method-override", b"x-http-method"])
def test_the_method_is_the_one_on_the_request_line(client: RawClient, victim: Victim, name: bytes) -> None:
    path, cookie = f"/auth/sessions/{victim.sid}", jar({"__Host-kt_session": victim.session})
    answers: list[Answer] = [client.ask(method, path, [cookie, (name, b"DELETE")]) for method in ("GET", "POST")]
    # A POST is that of a form, which needs the hidden token, and never a DELETE.
    assert [each.status for each in answers] == [405, 403]
    assert client.ask("GET", "/auth/logout", [cookie, (name, b"POST")]).status == 405
    assert client.ask("GET", "/auth/logout?_method=POST", [cookie]).status == 405
    assert client.get("/auth/session", cookie).status == 200
