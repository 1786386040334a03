"""WebSockets beside a Django project, as the how-to guide shows them."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.fronts import django_front  # isort: skip  (it configures Django)

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.test import override_settings

from integrations.framework_client import connect
from integrations.sync_issuer import SETTINGS
from keyturn import AsyncIssuer
from keyturn.integrations.asgi import PRINCIPAL, AuthMiddleware
from keyturn.integrations.django import issuer as project_issuer
from keyturn.integrations.django.project import issuer_settings
from web.exchanges import HOST, JSON, PASSWORD, Sent


async def greet(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope[PRINCIPAL].subject})


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Any]:
    named = {name.upper(): value for name, value in SETTINGS.items()}
    with override_settings(KEYTURN={**named, "STORE": f"sqlite:///{tmp_path}/shop.db"}):
        django_application = get_asgi_application()
        issuer = AsyncIssuer.from_env(**issuer_settings(settings.KEYTURN))
        sockets = AuthMiddleware(greet, issuer=issuer)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await (sockets if scope["type"] == "websocket" else django_application)(scope, receive, send)

        yield application
        asyncio.run(issuer.close())
        project_issuer().close()


def test_a_login_of_the_project_opens_a_socket_beside_it(application: Any) -> None:
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}).encode()
    answer = django_front.send_async(Sent("POST", "/auth/signup", (HOST, JSON), body))
    cookie = (b"cookie", answer.values(b"set-cookie")[0].partition(b";")[0])
    opened = connect(application, cookie)
    assert [each["type"] for each in opened] == ["websocket.accept", "websocket.send"]
    assert opened[1]["text"] == json.loads(answer.body)["subject"]
    assert [each["type"] for each in connect(application)] == ["websocket.close"]
