"""The ASGI application: its limits on size, time and the number of requests."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keyturn import AsyncIssuer
from keyturn.errors import ConfigurationError
from keyturn.web import asgi
from keyturn.web.application import Exchange
from keyturn.web.asgi import AsgiEndpoints
from keyturn.web.wsgi import WsgiEndpoints
from web.exchanges import HOST, JSON, PASSWORD, Sent, asgi_scope, open_async, open_sync, send_asgi

ADA = json.dumps({"email": "ada@example.com", "password": PASSWORD}).encode()
LOGIN = Sent("POST", "/auth/login", (HOST, JSON), ADA)


@pytest.fixture
def issuer() -> Iterator[AsyncIssuer]:
    issuer = open_async()
    yield issuer
    issuer.parts.hasher.close()


def post(app: AsgiEndpoints, messages: list[dict[str, Any]], **scope: Any) -> tuple[int, str]:
    """Post to the login; return status and code. After its last message the client is silent."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else await asyncio.sleep(20, {})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(asgi_scope(LOGIN) | scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])["code"]


def chunk(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_parts_is_one_body(issuer: AsyncIssuer) -> None:
    parts = [chunk(ADA[:9], more=True), {"type": "http.request", "more_body": True}, chunk(ADA[9:])]
    assert post(AsgiEndpoints(issuer), parts) == (401, "login_failed")


def test_a_large_body_is_not_read_to_its_end(issuer: AsyncIssuer) -> None:
    parts = [chunk(b" " * 9000, more=True) for _ in range(9)]
    assert post(AsgiEndpoints(issuer), parts) == (413, "payload_too_large")
    assert len(parts) == 7


def test_a_silent_client_is_timed_out(issuer: AsyncIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.05)
    assert post(AsgiEndpoints(issuer), [chunk(b"{", more=True)]) == (408, "request_timeout")


def test_a_client_that_disconnects_is_answered_no_login(issuer: AsyncIssuer) -> None:
    assert post(AsgiEndpoints(issuer), [chunk(b"{", more=True), {"type": "http.disconnect"}]) == (400, "bad_request")


def test_requests_above_the_limit_are_refused(issuer: AsyncIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    app = AsgiEndpoints(issuer)
    monkeypatch.setattr(asgi, "MAX_REQUESTS", 1)
    assert [send_asgi(app, LOGIN).status for _ in range(3)] == [401] * 3
    monkeypatch.setattr(asgi, "MAX_REQUESTS", 0)
    answer = send_asgi(app, LOGIN)
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "overloaded")


def test_a_store_that_does_not_answer_is_unavailable(issuer: AsyncIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        async def load(self, *_: object) -> None:
            await asyncio.sleep(20)

    monkeypatch.setattr(asgi, "FLOW_SECONDS", 0.05)
    issuer.parts = replace(issuer.parts, ports=replace(issuer.parts.ports, throttles=Silent()))
    assert post(AsgiEndpoints(issuer), [chunk(ADA)]) == (503, "store_unavailable")


def test_an_unexpected_error_is_logged_and_is_a_503(issuer: AsyncIssuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.parts = replace(issuer.parts, ports=replace(issuer.parts.ports, throttles=None))
    with caplog.at_level(logging.ERROR, "keyturn.web"):
        assert post(AsgiEndpoints(issuer), [chunk(ADA)]) == (503, "unavailable")
    assert "/auth/login" in caplog.text


def test_the_endpoints_are_served_below_a_mount_point(issuer: AsyncIssuer) -> None:
    seen: list[Exchange] = []
    app = AsgiEndpoints(issuer, seen.append)
    mounted = {"root_path": "/id", "path": "/id/auth/login", "client": None}
    assert post(app, [chunk(ADA)], **mounted) == (401, "login_failed")
    assert post(app, [chunk(ADA)], root_path="/id", path="/idauth/login") == (404, "not_found")
    assert [each.route for each in seen] == ["/auth/login", "unmatched"]


def test_an_issuer_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs an AsyncIssuer"):
        AsgiEndpoints(open_sync())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="needs an Issuer"):
        WsgiEndpoints(open_async())
