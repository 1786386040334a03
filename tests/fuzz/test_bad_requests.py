"""Bad requests: each endpoint by wrong media types, forms, methods, queries, headers and lengths.

Sources and rules as in ``test_bad_bodies.py``; RFC 6749 section 3.2, RFC 9110 sections 8.6, 9 and 15.5.
"""

from itertools import product

import httpx
import pytest

from advisories.raw_http import FORM_TYPE, JSON_TYPE, SERVICE, Answer, RawClient, bearer
from fuzz.control_login import FORM_PATHS, JSON_PATHS, ControlLogin, to_json
from keyturn.web.route import Route
from keyturn.web.routes import ROUTES

KINDS = [
    *(
        b"",
        b"text/json",
        b"text/plain",
        b"application/xml",
        b"application/json; charset=utf-16",
        b"application/jsonx",
        b"*/*",
    ),
    *(
        b"application/json; charset=utf-8; charset=utf-16",
        b"application/problem+json",
        b"multipart/form-data",
        b"application/octet-stream",
    ),
    *(
        b"application/x-www-form-urlencoded",
        b"application/json\x00",
        b"\xff\xfe",
        b"application/" + b"j" * 5000,
        b"json",
    ),
]


@pytest.mark.parametrize("path", [*JSON_PATHS, *FORM_PATHS])
def test_every_wrong_media_type(client: RawClient, control_login: ControlLogin, path: str) -> None:
    is_form = path in FORM_PATHS
    caller = bearer(SERVICE) if path == "/auth/introspect" else control_login.auth
    right, body = (FORM_TYPE, b"token=x&grant_type=y") if is_form else (JSON_TYPE, to_json(JSON_PATHS[path]))
    for kind in KINDS:
        if kind != right[1]:
            # An endpoint of JSON reads HTML forms, too: the body is none, or the form has no token.
            refused = (400, 403) if kind == FORM_TYPE[1] and not path.startswith("/auth/accounts") else (415,)
            assert client.ask("POST", path, [(b"content-type", kind), caller], body).status in refused, kind
    assert client.ask("POST", path, [caller], body).status == 415
    for coding in (b"gzip", b"identity", b"br, gzip", b""):
        assert client.ask("POST", path, [right, caller, (b"content-encoding", coding)], body).status == 415, coding


FORMS = [
    *(
        b"",
        b"&",
        b"=",
        b"&&&&",
        b"a",
        b"a=b=c",
        b"%",
        b"%zz",
        b"%0",
        b"x=%ff",
        b"x=%c3%28",
        b"%00=%00",
        b"token=%00",
        b"a;b",
    ),
    *(b"token=a&token=b", b"token=a&%74oken=b", b"token[]=a", b"token=" + b"a" * 16_000, b"token=" + b"a" * 17_000),
    *(
        b"&".join(b"a%d=1" % n for n in range(40)),
        b"&" * 10_000,
        b"token=\xff",
        b"token=a b",
        b"token=a\nb",
        b"token=%0d%0a",
    ),
    *(b"grant_type=password&username=a&password=b", b"grant_type=refresh_token&refresh_token=", b"grant_type=", b"{}"),
    *(
        b"grant_type=refresh_token&refresh_token=null",
        b"grant_type=REFRESH_TOKEN",
        b"grant_type=refresh_token+",
        b"\x00",
    ),
    *(
        b"token=" + b"%ed%a0%80",
        b"token=eyJ.eyJ.x",
        b"token=....",
        b"token=kt_session_",
        b"\xef\xbb\xbftoken=a",
        b"token=%F0%9F%98%80",
    ),
]


@pytest.mark.parametrize("path", FORM_PATHS)
def test_every_form_that_is_no_form(client: RawClient, control_login: ControlLogin, path: str) -> None:
    caller = bearer(SERVICE) if path == "/auth/introspect" else control_login.auth
    for body in FORMS:
        answer = client.ask("POST", path, [FORM_TYPE, caller], body)
        harmless = answer.json.get("active") is False or answer.json.get("revoked") is False
        assert harmless or answer.status in (400, 413), (body, answer)


@pytest.mark.parametrize("path", [*JSON_PATHS, "/auth/logout", "/auth/logout-all", "/auth/logout-others"])
def test_every_html_form_that_is_no_form(client: RawClient, path: str) -> None:
    odd = [
        b"next=",
        b"next=%2F%2Fevil.example",
        b"next=%2F%00",
        b"next=%2f%0d%0aa:b",
        b"csrf_token=%c3%a9",
        b"back=%2F%5C",
    ]
    for body in (*FORMS, *odd, *(b"email=a&password=b&" + each for each in odd)):
        answer = client.ask("POST", path, [FORM_TYPE, (b"sec-fetch-site", b"same-origin")], body)
        # A logout without a session leads to the next page: nothing is left to be done.
        assert answer.status in (400, 401, 413) or answer.values("location") == ["/"], (body, answer)


def paths() -> list[str]:
    return sorted({route.path.replace("{sid}", "A" * 22) for route in ROUTES})


METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PROPFIND",
    "G",
]


@pytest.mark.parametrize("path", paths())
def test_every_method_on_every_path(client: RawClient, control_login: ControlLogin, path: str) -> None:
    known = {route.method for route in ROUTES if route.path.replace("{sid}", "A" * 22) == path}
    for method in METHODS:
        # A refusal of HEAD has no body to judge.
        if method in known or method == "HEAD":
            continue
        answer = client.ask(method, path, [JSON_TYPE, control_login.auth], b"{}")
        assert answer.status == 405
        assert set(answer.values("allow")[0].split(", ")) >= known


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "GET"], ids=lambda route: route.path)
def test_head_and_get_have_the_same_headers(client: RawClient, control_login: ControlLogin, route: Route) -> None:
    whole, head = (raw(client, method, route.path, control_login.auth) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (whole.status, b"")
    assert head.values("content-type") == whole.values("content-type")


def raw(client: RawClient, method: str, path: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Without ``obey``: the answer to HEAD has no body to judge."""

    async def exchange() -> Answer:
        request = httpx.Request(method, f"https://auth.example.com{path}", headers=list(headers))
        response = await client.transport.handle_async_request(request)
        shown = tuple((name.decode().lower(), value.decode()) for name, value in response.headers.raw)
        return Answer(response.status_code, shown, await response.aread())

    return client.runner.run(exchange())


QUERIES = [
    *(
        "after=",
        "after=-1",
        "after=00",
        "after=1e3",
        "after=1.0",
        "after=%31%00",
        "after=999999999999999999",
        "after=9" * 30,
    ),
    *(
        "after=9999999999999999999",
        "after=1&after=2",
        "after=a&x=1",
        "%",
        "%zz=1",
        "x=%ff",
        "after[]=1",
        "after=\u0661",
        "&" * 3000,
    ),
    *("limit=0", "limit=-1", "limit=1001", "limit=1e2", "limit=true", "limit=%00", "limit=" + "9" * 5000),
    *("after=1-0123456789abcdef", "after=1-0123456789ABCDEF", f"after={'A' * 22}", "after=1-", "limit=1&limit=1"),
    *("a" * 8000, "after=null", "after=%0a1", "after=1%0a", "after=+1", "after=0x1"),
]


@pytest.mark.parametrize("path", paths())
def test_every_query_on_every_path(client: RawClient, control_login: ControlLogin, path: str) -> None:
    for query in QUERIES:
        spelling = query.encode().decode("latin-1") if query.isascii() else "after=%D9%A1"
        answer = client.ask(
            "GET", f"{path}?{spelling}", [bearer(SERVICE) if "revocations" in path else control_login.auth]
        )
        assert answer.status in (200, 400, 404, 405), (query, answer)


HEADERS = [
    b"",
    b" ",
    b"\x00",
    b"\xff" * 50,
    b"a" * 9000,
    b",",
    b"Bearer",
    b"bearer \xff",
    b"Bearer a b",
    b"Bearer " + b"a" * 9000,
    b'"',
]
NAMES = [
    b"authorization",
    b"cookie",
    b"origin",
    b"sec-fetch-site",
    b"x-csrf-token",
    b"user-agent",
    b"accept",
    b"x-forwarded-for",
    b"host",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_header_with_every_value(client: RawClient, control_login: ControlLogin, name: bytes) -> None:
    for value, twice in product(HEADERS, (1, 2)):
        sent = [(name, value)] * twice
        assert client.ask("GET", "/auth/session", sent).status in (400, 401, 431)
        client.ask("POST", "/auth/logout", sent)
        client.ask("GET", "/auth/revocations", sent)
        client.ask("POST", "/auth/login", [JSON_TYPE, *sent], b'{"email": "nobody@example.com", "password": "x"}')
        client.ask("POST", "/auth/token", [FORM_TYPE, *sent], b"grant_type=refresh_token")
        client.ask("POST", "/auth/introspect", [FORM_TYPE, *sent], b"token=x")


@pytest.mark.parametrize("length", [b"9" * 5000, b"0" * 5000, b"16385", b"-1", b"+1", b"1,1", b"\xb2", b"", b"1e3"])
def test_every_length_that_is_none(client: RawClient, length: bytes) -> None:
    """uvicorn refuses most of them; another server may hand them on."""
    body = to_json(JSON_PATHS["/auth/login"])
    answer = client.ask("POST", "/auth/login", [JSON_TYPE, (b"content-length", length)], body)
    assert answer.status == (413 if length in (b"9" * 5000, b"16385") else 200)
