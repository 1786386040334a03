"""The server's side of one ASGI connection, over a registry on a manual source."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from connections.harness import ManualSource, principal_of
from keyturn.connections import AsyncConnection, ConnectionEnd, ConnectionRegistry
from keyturn.core.principal import Principal
from keyturn.core.revocation import RevocationKind
from keyturn.web.connections import serve_connected


class Client:
    """The server's side of one connection, and what was sent on it. ``auth``: a registry on a manual source."""

    def __init__(self, kind: str = "websocket") -> None:
        self.source = ManualSource()
        self.registry = ConnectionRegistry(self.source)
        self.scope: dict[str, Any] = {"type": kind, "path": "/live"}
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.blocked: asyncio.Event | None = None

    def connection(self, principal: Principal, on_end: Callable[[ConnectionEnd], None]) -> AsyncConnection:
        async def registry() -> ConnectionRegistry:
            return self.registry

        async def verify(_: str) -> Principal:
            return principal_of(credential="access", expires_in=900)

        return AsyncConnection(registry, verify, principal, on_end)

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if self.blocked is not None and not message["type"].endswith("close"):
            await self.blocked.wait()

    def serve(self, app: Any, principal: Principal | None = None, auth: Any = None) -> "asyncio.Task[None]":
        return asyncio.create_task(
            serve_connected(
                app,
                self.scope,
                self.incoming.get,
                self.send,
                auth=auth or self,
                principal=principal or principal_of(),
                error_page="https://auth.example.com/docs/errors",
            )
        )

    async def until_sent(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.sent) < count:  # noqa: ASYNC110 - what the application sends
                await asyncio.sleep(0.001)

    def revoke(self) -> None:
        self.source.revoke(RevocationKind.SESSION, "s1")

    @property
    def is_clean(self) -> bool:
        return len(self.registry) == 0 and len(asyncio.all_tasks()) == 1


async def run(work: Awaitable[None]) -> None:
    async with asyncio.timeout(20):
        await work
