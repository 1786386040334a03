"""Streams of Flask and Django end with the session of their request, and finish where they have a length."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from integrations.fronts import django_front  # isort: skip  (it configures Django)

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from flask import Flask, Response

from integrations.sync_issuer import SyncIssuer, bearer
from keyturn import Principal
from keyturn.flows import IssuedCredentials
from keyturn.integrations.django import required
from keyturn.integrations.flask import Keyturn
from keyturn.web.wsgi_integration import OVERRIDE
from keyturn.web.wsgi_streams import StreamEndedError
from web.exchanges import HOST, Sent, asgi_scope, wsgi_environ

EVENTS = "text/event-stream"
EXPORT = "text/csv"


class View:
    """A view that streams three parts. ``closed``: how often its parts were closed."""

    def __init__(self) -> None:
        self.media_type = EVENTS
        self.headers: dict[str, str] = {}
        self.closed = 0
        self.goes_on = asyncio.Event()
        self.seconds = 20.0

    def parts(self) -> Iterator[bytes]:
        try:
            yield from (b"1", b"2", b"3")
        finally:
            self.closed += 1

    async def async_parts(self) -> AsyncIterator[bytes]:
        """Wait after the first part, for at most ``seconds``."""
        try:
            async with asyncio.timeout(self.seconds):
                yield b"1"
                await self.goes_on.wait()
                yield b"2"
        except TimeoutError:
            yield b"late"
        finally:
            self.closed += 1


VIEWS: list[View] = []


@required
def events(_: HttpRequest) -> StreamingHttpResponse:
    view = VIEWS[0]
    return StreamingHttpResponse(view.parts(), content_type=view.media_type, headers=view.headers)


@required
async def async_events(_: HttpRequest) -> StreamingHttpResponse:
    view = VIEWS[0]
    return StreamingHttpResponse(view.async_parts(), content_type=view.media_type, headers=view.headers)


urlpatterns = [path("events", events), path("async-events", async_events)]


@pytest.fixture
def view() -> View:
    VIEWS[:] = [View()]
    return VIEWS[0]


@pytest.fixture
def issuer() -> Iterator[SyncIssuer]:
    issuer = SyncIssuer()
    yield issuer
    issuer.close()


@pytest.fixture
def app(issuer: SyncIssuer, view: View) -> Flask:
    app = Flask(__name__)
    auth = Keyturn(app, issuer)

    @app.get("/events")
    @auth.required
    def events() -> Response:
        return Response(view.parts(), mimetype=view.media_type, headers=view.headers)

    return app


def log_out(issuer: SyncIssuer, issued: IssuedCredentials) -> None:
    """End a session, and wait until its connections have been told."""
    issuer.logout(issued.sid)
    deadline = time.monotonic() + 10
    while len(issuer.parts.connections) and time.monotonic() < deadline:
        time.sleep(0.001)


def open_stream(app: Any, header: tuple[bytes, bytes]) -> Any:
    return app(wsgi_environ(Sent("GET", "/events", (HOST, header))), lambda *_: None)


def test_a_stream_of_flask_ends_with_its_session(app: Flask, issuer: SyncIssuer, view: View) -> None:
    issued = issuer.enroll()
    stream = open_stream(app, bearer(issued))
    parts = iter(stream)
    assert next(parts) == b"1"
    log_out(issuer, issued)
    assert list(parts) == []
    stream.close()
    assert (view.closed, len(issuer.parts.connections)) == (1, 0)


def test_a_stream_of_flask_that_is_no_event_stream_is_broken_off(app: Flask, issuer: SyncIssuer, view: View) -> None:
    view.media_type = EXPORT
    issued = issuer.enroll()
    parts = iter(open_stream(app, bearer(issued)))
    next(parts)
    log_out(issuer, issued)
    with pytest.raises(StreamEndedError, match="session_ended"):
        next(parts)


def test_a_stream_of_flask_with_a_length_is_finished(app: Flask, issuer: SyncIssuer, view: View) -> None:
    view.headers = {"Content-Length": "3"}
    issued = issuer.enroll()
    parts = iter(open_stream(app, bearer(issued)))
    next(parts)
    log_out(issuer, issued)
    assert list(parts) == [b"2", b"3"]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_client_of_flask_that_leaves_a_stream_leaves_nothing_open(
    count: int, app: Flask, issuer: SyncIssuer, view: View
) -> None:
    stream = open_stream(app, bearer(issuer.enroll()))
    parts = iter(stream)
    assert [next(parts, b"") for _ in range(count)] == [b"1", b"2", b"3", b""][:count]
    stream.close()
    assert len(issuer.parts.connections) == 0
    assert view.closed == (1 if count else 0)


def test_a_stream_without_a_principal_of_a_credential_is_not_followed(
    app: Flask, issuer: SyncIssuer, view: View
) -> None:
    given = Principal(*"abc", "session", 0, 1)  # type: ignore[arg-type]  # named by a test of an application
    environ = wsgi_environ(Sent("GET", "/events", (HOST,))) | {OVERRIDE: given}
    assert list(app(environ, lambda *_: None)) == [b"1", b"2", b"3"]


# --- Django ---


@pytest.fixture
def project(issuer: SyncIssuer) -> Iterator[None]:
    with django_front.open_project(issuer), override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.mark.parametrize(
    ("media_type", "headers", "rest"), [(EVENTS, {}, []), (EXPORT, {"Content-Length": "3"}, [b"2", b"3"])]
)
@pytest.mark.usefixtures("project")
def test_a_stream_of_django_ends_with_its_session(
    media_type: str, headers: dict[str, str], rest: list[bytes], issuer: SyncIssuer, view: View
) -> None:
    view.media_type, view.headers = media_type, headers
    issued = issuer.enroll()
    stream = open_stream(WSGIHandler(), bearer(issued))
    parts = iter(stream)
    assert next(parts) == b"1"
    log_out(issuer, issued)
    assert list(parts) == rest
    stream.close()
    assert (view.closed, len(issuer.parts.connections)) == (1, 0)


async def stream_until_logout(
    issuer: SyncIssuer, view: View, *, is_logout: bool = True, is_sending: bool = False
) -> list[bytes]:
    """Read the stream of the coroutine, log out after its first part, and return all parts."""
    issued = issuer.enroll()
    requests = [{"type": "http.request", "body": b""}]
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return requests.pop() if requests else await asyncio.sleep(60, {})

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            parts.append(message.get("body", b""))
        if is_sending and message.get("body") == b"1":
            await asyncio.to_thread(log_out, issuer, issued)
        elif is_logout and message.get("body") == b"1":
            asyncio.get_running_loop().call_later(0.05, issuer.logout, issued.sid)

    scope = asgi_scope(Sent("GET", "/async-events", (HOST, bearer(issued))))
    async with asyncio.timeout(20):
        await ASGIHandler()(scope, receive, send)
    return parts


@pytest.mark.usefixtures("project")
def test_an_idle_stream_of_django_over_asgi_ends_with_its_session(issuer: SyncIssuer, view: View) -> None:
    assert asyncio.run(stream_until_logout(issuer, view)) == [b"1", b""]
    assert (view.closed, len(issuer.parts.connections)) == (1, 0)


# Django does not close the body of a request whose response fails.
@pytest.mark.filterwarnings("ignore:Exception ignored in. .function SpooledTemporaryFile")
@pytest.mark.usefixtures("project")
def test_a_stream_of_django_that_is_no_event_stream_is_broken_off(issuer: SyncIssuer, view: View) -> None:
    view.media_type = EXPORT
    with pytest.raises(StreamEndedError, match="session_ended"):
        asyncio.run(stream_until_logout(issuer, view))
    gc.collect()


@pytest.mark.usefixtures("project")
def test_a_stream_of_django_over_asgi_that_goes_on_is_complete(issuer: SyncIssuer, view: View) -> None:
    view.goes_on.set()
    assert asyncio.run(stream_until_logout(issuer, view, is_logout=False)) == [b"1", b"2", b""]


@pytest.mark.usefixtures("project")
def test_a_deadline_of_a_stream_of_django_holds(issuer: SyncIssuer, view: View) -> None:
    """A deadline belongs to a task: every part must run in the one of the response."""
    view.seconds = 0.01
    assert asyncio.run(stream_until_logout(issuer, view, is_logout=False)) == [b"1", b"late", b""]


@pytest.mark.filterwarnings("ignore:Exception ignored in. .function SpooledTemporaryFile")
@pytest.mark.usefixtures("project")
def test_a_client_of_django_that_leaves_cancels_its_stream(issuer: SyncIssuer, view: View) -> None:
    async def leave() -> None:
        reading = asyncio.create_task(stream_until_logout(issuer, view, is_logout=False))
        while not len(issuer.parts.connections):  # noqa: ASYNC110 - opened by the first part
            await asyncio.sleep(0.001)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(leave())
    gc.collect()
    assert (view.closed, len(issuer.parts.connections)) == (1, 0)


@pytest.mark.usefixtures("project")
def test_a_session_that_ends_while_a_part_is_sent_gets_no_further_part(issuer: SyncIssuer, view: View) -> None:
    view.goes_on.set()
    assert asyncio.run(stream_until_logout(issuer, view, is_sending=True)) == [b"1", b""]
