"""Connections as an application holds them: a context manager each, for threads and for an event loop."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Self

from keyturn.connections.index import Registration
from keyturn.connections.registry import ConnectionRegistry
from keyturn.core.connection import ConnectionEnd
from keyturn.core.principal import Principal

OnEnd = Callable[[ConnectionEnd], None]


class _Connection(ABC):
    """Common part of both connections. Registered within ``with``; ended or closed, it cannot be entered again."""

    def __init__(self, principal: Principal, on_end: OnEnd | None) -> None:
        self._principal = principal
        self._on_end = on_end
        self._opened: tuple[ConnectionRegistry, Registration] | None = None

    @property
    def principal(self) -> Principal:
        """Principal of the newest credential that was presented on the connection."""
        return self._principal if self._opened is None else self._opened[1].principal

    @property
    def end(self) -> ConnectionEnd | None:
        """Reason for which the connection must be closed; None while it may go on, and before it is entered."""
        return None if self._opened is None else self._opened[1].end

    def is_open(self) -> bool:
        """Return True while the connection is entered and may go on. Takes a microsecond; ask before each message."""
        return self._opened is not None and self._opened[0].is_open(self._opened[1])

    def _open(self, registry: ConnectionRegistry) -> None:
        self._opened = registry, registry.open(self._principal, self._notify)

    def _close(self) -> None:
        if self._opened is not None:
            self._opened[0].remove(self._opened[1])

    def _renew(self, principal: Principal) -> Principal:
        if self._opened is not None:
            self._opened[0].renew(self._opened[1], principal)
        return principal

    @abstractmethod
    def _notify(self, end: ConnectionEnd) -> None:
        """Tell the application, from a thread of the registry."""

    def _call_back(self, end: ConnectionEnd) -> None:
        if self._on_end is not None:
            self._on_end(end)


class Connection(_Connection):
    """Connection served by a thread, such as a stream of server-sent events under WSGI. Enter it with ``with``.

    ``registry`` returns the registry. ``verify`` checks an access token.
    ``on_end``: called once when the connection must be closed, in a thread of Keyturn. It must not block.
    """

    def __init__(
        self,
        registry: Callable[[], ConnectionRegistry],
        verify: Callable[[str], Principal],
        principal: Principal,
        on_end: OnEnd | None = None,
    ) -> None:
        super().__init__(principal, on_end)
        self._registry = registry
        self._verify = verify
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        self._open(self._registry())
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._is_over.set()

    def wait(self, seconds: float | None = None) -> ConnectionEnd | None:
        """Wait until the connection must be closed. Return None if that is not so within ``seconds``, or it was left.

        A pause between two messages of a stream is ``connection.wait(15)``.
        """
        self._is_over.wait(seconds)
        return self.end

    def renew(self, token: str) -> Principal:
        """Verify a newer access token of the same session: the connection then lives until the token's ``exp``.

        Return its principal. Raises as ``verify``, and ``TokenInvalid`` for a token of another session.
        """
        return self._renew(self._verify(token))

    def _notify(self, end: ConnectionEnd) -> None:
        self._is_over.set()
        self._call_back(end)


class AsyncConnection(_Connection):
    """Connection served by an event loop, such as a WebSocket. Enter it with ``async with``; await it for its end.

    ``registry`` returns the registry. ``verify`` checks an access token.
    ``on_end``: called once when the connection must be closed, in the event loop.
    """

    def __init__(
        self,
        registry: Callable[[], Awaitable[ConnectionRegistry]],
        verify: Callable[[str], Awaitable[Principal]],
        principal: Principal,
        on_end: OnEnd | None = None,
    ) -> None:
        super().__init__(principal, on_end)
        self._registry = registry
        self._verify = verify
        self._is_over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._open(await self._registry())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()
        self._is_over.set()

    def __await__(self) -> Generator[None, None, ConnectionEnd | None]:
        """Wait until the connection must be closed, and return the reason; None once it was left."""
        return self.wait().__await__()

    async def wait(self) -> ConnectionEnd | None:
        """Wait until the connection must be closed, and return the reason; None once it was left."""
        await self._is_over.wait()
        return self.end

    async def renew(self, token: str) -> Principal:
        """Verify a newer access token as ``Connection.renew`` does."""
        return self._renew(await self._verify(token))

    def _notify(self, end: ConnectionEnd) -> None:
        with suppress(RuntimeError):  # the loop is closed: so is the connection
            self._loop.call_soon_threadsafe(partial(self._finish, end))

    def _finish(self, end: ConnectionEnd) -> None:
        self._is_over.set()
        self._call_back(end)
