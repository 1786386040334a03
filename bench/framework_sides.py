"""Sides of a comparison of frameworks: applications, and clients that call them in this process by ASGI or WSGI."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, NamedTuple

from bench.requests import BROWSER_HEADERS, Client
from bench.sampling import Side

SECRET = "a secret of at least 32 bytes for nothing but figures"
USERS = {"ada": "Ada"}
EMPTY = "an empty dependency"
"""Name of the baseline that has a dependency, and no authentication."""
COOKIE, TOKEN = "Keyturn, cookie", "Keyturn, token"
HOST = "auth.example.com"


class Peer(NamedTuple):
    """Usual choice of a framework. ``header``: that authenticates, with the ``value`` that ``app`` accepts."""

    name: str
    app: Any
    header: str
    value: str


class Applications(NamedTuple):
    """Applications of one framework, each with one route.

    ``baselines``: without authentication, by name. The first is the one that Keyturn is compared with.
    """

    baselines: dict[str, Any]
    keyturn: Any
    peers: tuple[Peer, ...] = ()


class Credentials(NamedTuple):
    """Credentials of one session of an issuer, as values of the headers Cookie and Authorization."""

    cookie: str
    bearer: str


SideMaker = Callable[[str, Any, str, str], Side]
"""Makes a side of a name, an application, and the name and value of a header."""


def make_sides(found: Applications, credentials: Credentials, make: SideMaker) -> list[Side]:
    """Return one side for each application, and two for that of Keyturn."""
    baselines = [make(name, app, "cookie", credentials.cookie) for name, app in found.baselines.items()]
    cookie = make(COOKIE, found.keyturn, "cookie", credentials.cookie)
    token = make(TOKEN, found.keyturn, "authorization", credentials.bearer)
    return [*baselines, cookie, token, *(make(*each) for each in found.peers)]


def count_calls(side: Side) -> float:
    """Return the calls of Python functions for one request: a reason for its time that no other process disturbs."""
    requests, calls = 10, 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    prepared = side.prepare(requests)
    sys.setprofile(count)
    try:
        side.work(prepared)
    finally:
        sys.setprofile(None)
    return calls / requests


def asgi_side(loop: asyncio.AbstractEventLoop) -> SideMaker:
    """Return the maker of sides of ASGI applications, each of which answered twice."""

    def make(name: str, app: Any, header: str, value: str) -> Side:
        status = 0

        async def checked(scope: Any, receive: Any, send: Any) -> None:
            async def note(message: Any) -> None:
                nonlocal status
                status = message.get("status", status)

            await app(scope, receive, note)

        client, headers = Client(loop, header.encode()), [bytearray(value.encode())]
        for _ in range(2):
            client((checked, headers))
            assert status == 200, (name, status)
        return Side(name, client, lambda count: (app, headers * count))

    return make


def wsgi_side(name: str, app: Any, header: str, value: str) -> Side:
    """Make a side of a WSGI application. Its attribute ``prepare``, if it has one, is called before each sample."""
    key, octets, statuses = f"HTTP_{header.upper()}", value.encode(), list[str]()

    def work(environs: Sequence[dict[str, Any]]) -> None:
        for environ in environs:
            body = app(environ, lambda status, *_: statuses.append(status))
            b"".join(body)
            body.close()

    def prepare(count: int) -> list[dict[str, Any]]:
        # New texts each time, as a server creates them: Python has not cached their hash yet.
        statuses.clear()
        getattr(app, "prepare", lambda: None)()
        return [{**_environ(), key: octets.decode()} for _ in range(count)]

    work(prepare(2))
    assert {each[:3] for each in statuses} == {"200"}, (name, statuses)
    return Side(name, work, prepare)


def _environ() -> dict[str, Any]:
    named = {f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in BROWSER_HEADERS}
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(),
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **named,
    }
