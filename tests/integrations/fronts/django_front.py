"""The routes of ``front`` in Django, served by WSGI and by ASGI."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

from integrations import django_project  # noqa: F401  # isort: skip  (it configures Django)

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from integrations.fronts.front import Front
from integrations.sync_issuer import SETTINGS
from keyturn import Issuer, Verifier
from keyturn.integrations.django import project
from keyturn.web.wsgi_integration import WsgiIntegration
from web.exchanges import Answer, Sent, asgi_scope, send_wsgi


@contextmanager
def open_project(instance: Issuer | Verifier, **settings: Any) -> Iterator[None]:
    """Let the project use ``instance``. ``settings``: others of ``KEYTURN``."""
    with override_settings(KEYTURN={"INSTANCE": instance, **settings}):
        yield


def send(sent: Sent) -> Answer:
    """Send a request by WSGI."""
    return _lowered(send_wsgi(WSGIHandler(), sent))


def send_async(sent: Sent) -> Answer:
    """Send a request by ASGI."""
    bodies, messages = [sent.body], []

    async def receive() -> dict[str, Any]:
        # Django waits for the client to leave while it answers.
        return {"type": "http.request", "body": bodies.pop()} if bodies else await asyncio.sleep(60, {})

    async def send_message(message: dict[str, Any]) -> None:
        messages.append(message)

    async def exchange() -> None:
        await ASGIHandler()(asgi_scope(sent), receive, send_message)

    asyncio.run(exchange())
    start, *rest = messages
    return _lowered(Answer(start["status"], tuple(start["headers"]), b"".join(each.get("body", b"") for each in rest)))


def _lowered(answer: Answer) -> Answer:
    """Return the answer with headers as HTTP/2 has them: Django changes their case, and adds a space to cookies."""
    return replace(answer, headers=tuple((name.lower(), value.strip()) for name, value in answer.headers))


def build(issuer: Issuer) -> Callable[[Sent], Answer]:
    return _build(issuer, "", send)


def build_async(issuer: Issuer) -> Callable[[Sent], Answer]:
    return _build(issuer, "/async", send_async)


def _build(issuer: Issuer, prefix: str, send: Callable[[Sent], Answer]) -> Callable[[Sent], Answer]:
    """Build a front, which puts its own integration into the project: settings of Django are global."""
    own = WsgiIntegration(issuer)

    def send_to_project(sent: Sent) -> Answer:
        project._integrations[:] = [own]
        is_route = sent.path.startswith(("/private", "/public", "/admin", "/fresh"))
        return send(sent._replace(path=prefix + sent.path) if is_route else sent)

    return send_to_project


with override_settings(KEYTURN={name.upper(): value for name, value in SETTINGS.items()}):
    import_module("keyturn.integrations.django.urls")  # with the paths of an issuer, whichever test is first

FRONT = Front(build, is_async=False)
ASYNC_FRONT = Front(build_async, is_async=False)
