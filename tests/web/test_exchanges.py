"""The same exchanges over the ASGI and the WSGI application, and over the application of ``keyturn serve``."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlencode

import pytest

from keyturn.core.types import Instant
from keyturn.flows.effects import Flow
from keyturn.web import routes
from keyturn.web.application import web_config_of
from keyturn.web.config import WebConfig
from keyturn.web.message import Reply, Request
from keyturn.web.openapi import document
from keyturn.web.route import Route
from web.exchanges import APPLICATIONS, FORM, HOST, JSON, PASSWORD, SERVICE_TOKEN, Answer, Send, Sent, open_sync

ADA = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "both"}).encode()
SID = "A" * 22
BEARER = (b"authorization", b"Bearer " + SERVICE_TOKEN.encode())
Step = Sent | Callable[[list[Answer]], Sent]


def cookies(answer: Answer) -> tuple[bytes, bytes]:
    return b"cookie", b"; ".join(each.partition(b";")[0] for each in answer.values(b"set-cookie"))


def member(answer: Answer, name: str) -> str:
    return str(json.loads(answer.body)[name])


def form(path: str, *headers: tuple[bytes, bytes], **fields: str) -> Sent:
    return Sent("POST", path, (HOST, FORM, *headers), urlencode(fields).encode())


def bearer(answer: Answer) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + member(answer, "access_token").encode()


LIFE: list[Step] = [
    Sent("POST", "/auth/signup", (HOST, JSON), ADA),
    Sent("POST", "/auth/signup", (HOST, JSON), ADA),
    lambda answers: Sent("POST", "/auth/login", (HOST, JSON, cookies(answers[0])), ADA),
    lambda answers: Sent("GET", "/auth/session", (HOST, cookies(answers[2]))),
    lambda answers: Sent("HEAD", "/auth/session", (HOST, cookies(answers[2]))),
    lambda answers: Sent("GET", "/auth/session", (HOST, bearer(answers[2]))),
    lambda answers: Sent("GET", "/auth/sessions", (HOST, bearer(answers[2]))),
    lambda answers: form("/auth/token", grant_type="refresh_token", refresh_token=member(answers[2], "refresh_token")),
    lambda answers: Sent("POST", "/auth/logout", (HOST, cookies(answers[2]), (b"sec-fetch-site", b"cross-site"))),
    lambda answers: Sent("POST", "/auth/step-up", (HOST, JSON, bearer(answers[2])), b'{"password": "wrong"}'),
    lambda answers: Sent("DELETE", f"/auth/sessions/{SID}", (HOST, bearer(answers[2]))),
    lambda answers: form("/auth/introspect", BEARER, token=member(answers[2], "access_token")),
    lambda answers: form("/auth/revoke", token=member(answers[7], "refresh_token")),
    lambda answers: Sent("GET", "/auth/session", (HOST, cookies(answers[2]))),
    Sent("GET", "/auth/revocations?after=0&nonce=abc", (HOST, BEARER)),
]

FIXED: list[Step] = [
    Sent("GET", "/.well-known/oauth-authorization-server"),
    Sent("HEAD", "/.well-known/openid-configuration"),
    Sent("GET", "/openapi.json"),
    Sent("GET", "/docs/errors"),
    Sent("GET", "/auth/client.js"),
    Sent("HEAD", "/auth/client.js", (HOST, (b"origin", b"https://app.example.com"))),
    Sent("GET", "/auth/session"),
    Sent("HEAD", "/auth/session"),
    Sent("GET", "/auth/login"),
    Sent("get", "/auth/session"),
    Sent("BREW", "/auth/session"),
    Sent("GET", "/nothing/here"),
    Sent("HEAD", "/nothing/here"),
    Sent("GET", "//auth/session"),
    Sent("GET", "/auth/session/"),
    Sent("GET", "/auth/%73ession"),
    Sent("GET", "/auth/session", ()),
    Sent("GET", "/auth/session", (), version="1.0"),
    Sent("GET", "/auth/session", (HOST, HOST)),
    Sent("GET", "/auth/session", (HOST, (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b"))),
    Sent("GET", "/auth/session", (HOST, (b"authorization", b"Basic a"), (b"authorization", b"Bearer b"))),
    Sent("GET", "/auth/session", (HOST, (b"authorization", b"Bearer a,b"))),
    Sent("GET", "/auth/session", (HOST, (b"authorization", b"Basic YTpi"))),
    Sent("GET", "/auth/session", (HOST, *((b"x-%d" % number, b"") for number in range(100)))),
    Sent("GET", "/auth/session", (HOST, (b"x-long", b"x" * 32 * 1024))),
    Sent("GET", "/auth/session", (HOST, (b"cookie", b"__Host-kt_session=a; __Host-kt_session=b"))),
    Sent("POST", "/auth/login", (HOST, JSON), b"{"),
    Sent("POST", "/auth/login", (HOST, JSON), b" " * (16 * 1024 + 1)),
    Sent("POST", "/auth/login", (HOST, JSON, (b"content-length", b"17408"))),
    Sent("POST", "/auth/login", (HOST, FORM), b"a=1"),
    Sent("POST", "/auth/login", (HOST, JSON, JSON), ADA),
    Sent("POST", "/auth/login", (HOST, JSON, (b"content-encoding", b"gzip")), ADA),
    Sent("POST", "/auth/token", (HOST, FORM), b"grant_type=password"),
    Sent("POST", "/auth/introspect", (HOST, FORM), b"token=x"),
    Sent("GET", "/auth/revocations", (HOST, (b"accept", b"application/json"))),
]


@contextmanager
def opened(name: str) -> Iterator[Send]:
    yield from APPLICATIONS[name]()


def answers_of(name: str, steps: list[Step]) -> list[Answer]:
    answers: list[Answer] = []
    with opened(name) as send:
        for step in steps:
            answers.append(send(step if isinstance(step, Sent) else step(answers)))
    return answers


@pytest.fixture(scope="module")
def reference() -> dict[str, list[Answer]]:
    return {"life": answers_of("asgi", LIFE), "fixed": answers_of("asgi", FIXED)}


def test_the_exchanges_reach_the_endpoints(reference: dict[str, list[Answer]]) -> None:
    assert [each.status for each in reference["life"]] == [
        *(201, 409, 200, 200, 200, 200, 200, 200),
        *(403, 401, 404, 200, 200, 401, 200),
    ]
    assert [each.status for each in reference["fixed"]] == [
        *(200, 200, 200, 200, 200, 200, 401, 401, 405, 405, 405, 404, 404, 404, 404, 404),
        *(400, 401, 400, 400, 400, 401, 401, 431, 431, 400),
        *(400, 413, 413, 403, 415, 415, 400, 401, 200),
    ]


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("name", ["wsgi", "serve"])
@pytest.mark.parametrize(("part", "steps"), [("life", LIFE), ("fixed", FIXED)])
def test_every_application_answers_alike(
    name: str, part: str, steps: list[Step], reference: dict[str, list[Answer]]
) -> None:
    for number, (answer, expected) in enumerate(zip(answers_of(name, steps), reference[part], strict=True)):
        assert answer.masked() == expected.masked(), number


def redirecting(request: Request, _now: Instant, _config: WebConfig) -> Flow[Reply]:
    """Redirect to the path in the query."""
    yield from ()
    return Reply.redirect(unquote(request.query))


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_redirect_passes_every_application(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route("POST", "/auth/next", redirecting, (), status=303, answer="redirect")
    monkeypatch.setitem(routes.TABLE._by_path, "/auth/next", {"POST": route})
    with opened(name) as send:
        there, elsewhere, split = (
            send(Sent("POST", f"/auth/next?{each}")) for each in ("/account", "//evil", "/a%0d%0ab")
        )
    assert (there.status, there.values(b"location"), there.body) == (303, [b"/account"], b"")
    assert there.values(b"cache-control") == [b"no-store"]
    for refused in (elsewhere, split):
        assert (refused.status, refused.values(b"location")) == (400, [])


def test_the_reference_shows_a_redirect() -> None:
    route = Route("POST", "/auth/next", redirecting, (), status=303, answer="redirect")
    issuer = open_sync()
    shown = document([route], web_config_of(issuer))["paths"]["/auth/next"]["post"]["responses"]["303"]
    assert (shown["description"], list(shown["headers"])) == ("See Other", ["Location"])
    issuer.close()
