"""Bad input: each endpoint by wrong types, sizes, encodings, methods, media types and queries.

One typed refusal each time (``advisories.wire.obey`` judges every answer: no 5xx, a documented code, no cookie
cleared), and nothing lost: the login made before all this is good after it. Sources: CWE-20, CWE-176, CWE-400,
CWE-674, RFC 8259 sections 4, 8 and 9, OWASP ASVS 5.0 1.5 and 2.2, "An Exploration of JSON Interoperability
Vulnerabilities" (Bishop Fox, 2021).
"""

import json
from collections.abc import Iterator
from itertools import product

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from advisories.wire import (
    EMAIL,
    FORM_TYPE,
    JSON_TYPE,
    OTHER,
    OTHER_PASSWORD,
    PASSWORD,
    SERVICE,
    Answer,
    Wire,
    bearer,
    jar,
    wired,
)
from keyturn.web.route import Route
from keyturn.web.routes import ROUTES

SESSION = "__Host-kt_session"
JSON_PATHS: dict[str, dict[str, object]] = {
    "/auth/signup": {"email": "new@example.com", "password": PASSWORD, "deliver": "both", "client_id": "app"},
    "/auth/login": {"email": EMAIL, "password": PASSWORD, "deliver": "both", "client_id": "app"},
    "/auth/password": {"current_password": "not this one", "new_password": "another long password"},
    "/auth/step-up": {"password": "not this one"},
}
FORM_PATHS = {"/auth/token": "refresh_token", "/auth/revoke": "token", "/auth/introspect": "token"}


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with wired(account_limit=100) as made:
        made.signup()
        made.signup(OTHER, OTHER_PASSWORD)
        yield made


class Bystander:
    """A login made before, which nothing here may harm."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.login = wire.login(email=OTHER, password=OTHER_PASSWORD)
        self.cookie = jar({SESSION: self.login.cookies[SESSION]})
        self.caller = wire.login(email=OTHER, password=OTHER_PASSWORD)
        self.auth = bearer(self.caller.json["access_token"])

    def unharmed(self) -> None:
        assert self.wire.get("/auth/session", self.cookie).status == 200
        assert self.wire.get("/auth/session", bearer(self.login.json["access_token"])).status == 200
        refresh = {"grant_type": "refresh_token", "refresh_token": self.login.json["refresh_token"]}
        # Within the grace window it may be used any number of times.
        assert self.wire.form("/auth/token", refresh).status == 200
        assert self.wire.login().status == 200


@pytest.fixture(scope="module")
def bystander(wire: Wire) -> Iterator[Bystander]:
    made = Bystander(wire)
    yield made
    made.unharmed()


VALUES: list[object] = [
    *(None, True, False, 0, -1, 1, 2**53, 2**64, -(2**63) - 1, 10**400, 1.5, 1e308, "", " ", "\t", "x", "null", "true"),
    *(
        [],
        [[]],
        {},
        {"a": 1},
        [EMAIL],
        "a" * 300,
        "a" * 5000,
        "\x00",
        "a\x00b",
        "\r\nSet-Cookie: a=b",
        "\ud800",
        "\udc00x",
    ),
    *(
        "\U0010ffff",
        "\ufeff",
        "\u202e",
        "\u0000@\u0000.\u0000",
        "a@b@c",
        "@",
        "%s%n",
        "{{7*7}}",
        "' OR 1=1 --",
        "../../etc",
    ),
    *(
        "\u0301" * 4000,
        "\ufdfa" * 1000,
        "\U0001f468\u200d\U0001f469" * 50,
        "kt_session_x",
        "Cookie",
        "admin@example.com\n",
    ),
]


def spelt(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("path", JSON_PATHS)
def test_every_member_with_every_wrong_value(wire: Wire, bystander: Bystander, path: str) -> None:
    good = JSON_PATHS[path]
    for member, value in product(good, VALUES):
        answer = wire.ask("POST", path, [JSON_TYPE, bystander.auth], spelt({**good, member: value}))
        if not isinstance(value, str):
            nothing = member in ("deliver",) and value is None
            assert nothing or answer.status in (400, 413), (member, value, answer)
    for member in good:
        rest = {name: value for name, value in good.items() if name != member}
        wire.ask("POST", path, [JSON_TYPE, bystander.auth], spelt(rest))


def bodies(good: dict[str, object]) -> dict[str, bytes]:
    text = json.dumps(good)
    first = next(iter(good))
    return {
        "nothing": b"",
        "white space": b" \n",
        "cut off": text[:-1].encode(),
        "trailing": text.encode() + b"x",
        "two documents": text.encode() * 2,
        "NUL behind": text.encode() + b"\x00",
        "BOM": b"\xef\xbb\xbf" + text.encode(),
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without BOM": text.encode("utf-16-be"),
        "UTF-32": text.encode("utf-32"),
        "UTF-7": b"+AHs-" + text[1:].encode(),
        "Latin-1": text.replace('"}', '\xff"}').encode("latin-1"),
        "invalid UTF-8": text.encode().replace(b'"}', b'\xc3\x28"}'),
        "overlong UTF-8": text.encode().replace(b'"}', b'\xc0\x80"}'),
        "surrogates in UTF-8": text.encode().replace(b'"}', b'\xed\xa0\x80"}'),
        "a lone surrogate": text.replace('"}', '\\ud800"}').encode(),
        "reversed surrogates": text.replace('"}', '\\udc00\\ud800"}').encode(),
        "a duplicate member": (text[:-1] + f', "{first}": "x"}}').encode(),
        "a duplicate by escape": (text[:-1] + f', "\\u{ord(first[0]):04x}{first[1:]}": "x"}}').encode(),
        "a duplicate deep down": (text[:-1] + ', "x": {"a": 1, "a": 2}}').encode(),
        "single quotes": text.replace('"', "'").encode(),
        "a comment": b"/**/" + text.encode(),
        "a trailing comma": text[:-1].encode() + b",}",
        "NaN": (text[:-1] + ', "x": NaN}').encode(),
        "infinity": (text[:-1] + ', "x": -Infinity}').encode(),
        "a leading zero": (text[:-1] + ', "x": 01}').encode(),
        "a huge integer": (text[:-1] + ', "x": ' + "9" * 10_000 + "}").encode(),
        "deep arrays": b"[" * 8000,
        "deep and closed": b"[" * 8000 + b"]" * 8000,
        "deep objects": b'{"a":' * 3000 + b"1" + b"}" * 3000,
        "deep in a member": (text[:-1] + ', "x": ').encode() + b"[" * 6000 + b"]" * 6000 + b"}",
        "an array": b"[" + text.encode() + b"]",
        "a string": json.dumps(text).encode(),
        "a number": b"1",
        "null": b"null",
        "MessagePack": b"\x82\xa5email\xa1x\xa8password\xa1y",
        "too long": text.encode() + b" " * 17_000,
        "control characters": text.replace('"}', '\x01"}').encode(),
        "a raw line feed": text.replace('"}', '\n"}').encode(),
        "many members": ("{" + ",".join(f'"{n}": {n}' for n in range(1500)) + "}").encode(),
    }


@pytest.mark.parametrize("path", JSON_PATHS)
def test_every_body_that_is_no_body(wire: Wire, bystander: Bystander, path: str) -> None:
    for name, body in bodies(JSON_PATHS[path]).items():
        answer = wire.ask("POST", path, [JSON_TYPE, bystander.auth], body)
        assert answer.status in (400, 413), (name, answer)


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
        b"application/json; charset=utf-8; x=y",
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
def test_every_wrong_media_type(wire: Wire, bystander: Bystander, path: str) -> None:
    is_form = path in FORM_PATHS
    caller = bearer(SERVICE) if path == "/auth/introspect" else bystander.auth
    right, body = (FORM_TYPE, b"token=x&grant_type=y") if is_form else (JSON_TYPE, spelt(JSON_PATHS[path]))
    for kind in KINDS:
        if kind != right[1]:
            assert wire.ask("POST", path, [(b"content-type", kind), caller], body).status == 415, kind
    assert wire.ask("POST", path, [caller], body).status == 415
    for coding in (b"gzip", b"identity", b"br, gzip", b""):
        assert wire.ask("POST", path, [right, caller, (b"content-encoding", coding)], body).status == 415, coding


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
def test_every_form_that_is_no_form(wire: Wire, bystander: Bystander, path: str) -> None:
    caller = bearer(SERVICE) if path == "/auth/introspect" else bystander.auth
    for body in FORMS:
        answer = wire.ask("POST", path, [FORM_TYPE, caller], body)
        harmless = answer.json.get("active") is False or answer.json.get("revoked") is False
        assert harmless or answer.status in (400, 413), (body, answer)


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
def test_every_method_on_every_path(wire: Wire, bystander: Bystander, path: str) -> None:
    known = {route.method for route in ROUTES if route.path.replace("{sid}", "A" * 22) == path}
    for method in METHODS:
        # A refusal of HEAD has no body to judge.
        if method in known or method == "HEAD":
            continue
        answer = wire.ask(method, path, [JSON_TYPE, bystander.auth], b"{}")
        assert answer.status == 405
        assert set(answer.values("allow")[0].split(", ")) >= known


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "GET"], ids=lambda route: route.path)
def test_head_says_what_get_says(wire: Wire, bystander: Bystander, route: Route) -> None:
    whole, head = (raw(wire, method, route.path, bystander.auth) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (whole.status, b"")
    assert head.values("content-type") == whole.values("content-type")


def raw(wire: Wire, method: str, path: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Without ``obey``: the answer to HEAD has no body to judge."""

    async def exchange() -> Answer:
        request = httpx.Request(method, f"https://auth.example.com{path}", headers=list(headers))
        response = await wire.transport.handle_async_request(request)
        shown = tuple((name.decode().lower(), value.decode()) for name, value in response.headers.raw)
        return Answer(response.status_code, shown, await response.aread())

    return wire.runner.run(exchange())


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
    *("a" * 8000, "after=null", "after=%0a1", "after=1%0a", "after=+1", "after=0x1"),
]


@pytest.mark.parametrize("path", paths())
def test_every_query_on_every_path(wire: Wire, bystander: Bystander, path: str) -> None:
    for query in QUERIES:
        spelling = query.encode().decode("latin-1") if query.isascii() else "after=%D9%A1"
        answer = wire.ask("GET", f"{path}?{spelling}", [bearer(SERVICE) if "revocations" in path else bystander.auth])
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
def test_every_header_with_every_value(wire: Wire, bystander: Bystander, name: bytes) -> None:
    for value, twice in product(HEADERS, (1, 2)):
        sent = [(name, value)] * twice
        assert wire.ask("GET", "/auth/session", sent).status in (400, 401)
        wire.ask("POST", "/auth/logout", sent)
        wire.ask("GET", "/auth/revocations", sent)
        wire.ask("POST", "/auth/login", [JSON_TYPE, *sent], b'{"email": "nobody@example.com", "password": "x"}')
        wire.ask("POST", "/auth/token", [FORM_TYPE, *sent], b"grant_type=refresh_token")
        wire.ask("POST", "/auth/introspect", [FORM_TYPE, *sent], b"token=x")


@pytest.mark.parametrize("length", [b"9" * 5000, b"0" * 5000, b"16385", b"-1", b"+1", b"1,1", b"\xb2", b"", b"1e3"])
def test_every_length_that_is_none(wire: Wire, length: bytes) -> None:
    """uvicorn refuses most of them; another server may hand them on."""
    body = spelt(JSON_PATHS["/auth/login"])
    answer = wire.ask("POST", "/auth/login", [JSON_TYPE, (b"content-length", length)], body)
    assert answer.status == (413 if length in (b"9" * 5000, b"16385") else 200)


@seed(20260729)
@settings(max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_anywhere(wire: Wire, bystander: Bystander, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([*JSON_PATHS, *FORM_PATHS]))
    kind = FORM_TYPE if path in FORM_PATHS else JSON_TYPE
    texts = st.one_of(
        st.binary(max_size=200), st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
    members = st.dictionaries(
        st.sampled_from([*JSON_PATHS["/auth/login"], *JSON_PATHS["/auth/password"]]), st.text(max_size=40)
    )
    body = data.draw(st.one_of(texts, members.map(spelt)))
    caller = bearer(SERVICE) if path == "/auth/introspect" else bystander.auth
    wire.ask("POST", path, [kind, caller, (b"cookie", data.draw(texts)), (b"x-csrf-token", data.draw(texts))], body)
