"""Responses of WSGI frameworks that are streamed without an end in sight: each ends with the session of its request."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from keyturn.connections import Connection
from keyturn.connections.connection import OnEnd
from keyturn.core.principal import Principal


class SyncConnector(Protocol):
    """``Issuer`` or ``Verifier``."""

    def connection(self, principal: Principal, on_end: OnEnd | None = None) -> Connection: ...


class StreamEndedError(OSError):
    """A response is left incomplete, because its session ended: the server closes the connection to the client."""


class StreamGuard(NamedTuple):
    """Guard of one response, until the session or the token of ``principal`` ends.

    A stream of events is then complete. Any other response raises ``StreamEndedError``: its client must not take a
    part for the whole.
    """

    connector: SyncConnector
    principal: Principal
    is_event_stream: bool

    def guard(self, parts: Iterable[bytes]) -> "GuardedStream":
        """Return the parts that may be sent. A thread that waits for the next part ends when that comes."""
        connection = self.connector.connection(self.principal)
        return GuardedStream(parts, self._generate(parts, connection))

    async def guard_async(self, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """Yield the parts that may be sent. A wait for the next part ends with the session."""
        wait = _CancellableWait()
        with self.connector.connection(self.principal, lambda _: wait.cancel_from_thread()) as connection:
            while (part := await wait.next(parts)) is not None and connection.is_open():
                yield part
            self._check_end(connection)

    def _generate(self, parts: Iterable[bytes], connection: Connection) -> Generator[bytes]:
        with connection:
            for part in parts:
                if not connection.is_open():
                    break
                yield part
            self._check_end(connection)

    def _check_end(self, connection: Connection) -> None:
        if connection.end is not None and not self.is_event_stream:
            raise StreamEndedError(f"the response was left incomplete: {connection.end.value}")


class GuardedStream:
    """``generator`` yields what is sent of ``parts``."""

    def __init__(self, parts: Iterable[bytes], generator: Generator[bytes]) -> None:
        self._parts = parts
        self._generator = generator

    def __iter__(self) -> Iterator[bytes]:
        """Return the parts that may be sent."""
        return self._generator

    def close(self) -> None:
        """Close the connection and the parts (PEP 3333), also those of a response that was never iterated."""
        self._generator.close()
        close: Callable[[], None] | None = getattr(self._parts, "close", None)
        if close is not None:
            close()


def stream_guard(connector: SyncConnector, principal: Principal, headers: Mapping[str, str]) -> StreamGuard | None:
    """Return the guard of a response; None for one that declares its length. ``headers``: with names in lower case."""
    if "content-length" in headers:
        return None
    return StreamGuard(connector, principal, headers.get("content-type", "").startswith("text/event-stream"))


class _CancellableWait:
    """A wait for the next part that can be ended. The parts run in the task of the response.

    A task for each part would take their ``asyncio.timeout`` and ``TaskGroup`` from them.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._is_cancelled = False

    def cancel_from_thread(self) -> None:
        """End the wait."""
        with suppress(RuntimeError):  # the event loop is closed: so is the response
            self._loop.call_soon_threadsafe(self._cancel)

    async def next(self, parts: AsyncIterator[bytes]) -> bytes | None:
        """Return the next part; None after the last one, or once the wait was ended."""
        self._task = asyncio.current_task()
        try:
            return await anext(parts, None)
        except asyncio.CancelledError:
            if self._is_cancelled and self._task is not None and self._task.uncancel() == 0:
                return None
            raise
        finally:
            self._task = None

    def _cancel(self) -> None:
        if self._task is not None:
            self._is_cancelled = True
            self._task.cancel()
