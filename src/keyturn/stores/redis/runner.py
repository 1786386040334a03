"""Sync and async runners of Redis operations, with bounded connections and a deadline."""

import asyncio
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import redis

from keyturn.core.types import T
from keyturn.errors import StoreUnavailable
from keyturn.generators import run, run_async
from keyturn.stores.redis.address import Address
from keyturn.stores.redis.connect import (
    FAILURES,
    REDIS_CONNECTIONS,
    REDIS_DEADLINE_SECONDS,
    AsyncRedisClient,
    RedisClient,
    connect,
    connect_async,
    translate_errors,
    unavailable,
)
from keyturn.stores.redis.network import Cluster, Commands, Execution, Network, SingleServer, execute, execute_all
from keyturn.stores.redis.operation import RedisCall, RedisOperation, RedisStep, Word

_MAX_WAITING: Final = 1000

_Connection = TypeVar("_Connection")
_AsyncNetwork: TypeAlias = SingleServer[AsyncRedisClient] | Cluster[AsyncRedisClient]


def _wait_command(replicas: int, deadline_seconds: float) -> tuple[Word, ...]:
    """Return the WAIT command, whose timeout ends before the connection's."""
    return ("WAIT", replicas, int(250 * deadline_seconds)) if replicas else ()


def _perform(network: Network[_Connection], step: RedisStep, wait: Sequence[Word]) -> Execution[_Connection]:
    return execute(network, step, wait) if isinstance(step, RedisCall) else execute_all(network, step, wait)


class RedisRunner:
    """Thread-safe runner of operations. ``replicas``: replicas that must confirm a durable write."""

    def __init__(
        self,
        address: Address,
        *,
        deadline_seconds: float = REDIS_DEADLINE_SECONDS,
        connections: int = REDIS_CONNECTIONS,
        replicas: int = 0,
    ) -> None:
        self._wait = _wait_command(replicas, deadline_seconds)

        def node(host: str, port: int) -> RedisClient:
            return connect(_single(address, host, port), deadline_seconds=deadline_seconds, connections=connections)

        self._address = address
        client = connect(address, deadline_seconds=deadline_seconds, connections=connections)
        self._network = Cluster(client, node) if address.form == "cluster" else SingleServer(client)

    def __repr__(self) -> str:
        return repr(self._address)

    @property
    def needs_replicas(self) -> bool:
        """True if a write is acknowledged only after replicas have confirmed it."""
        return bool(self._wait)

    def run(self, operation: RedisOperation[T]) -> T:
        """Run ``operation``. Raises ``StoreUnavailable``, ``NotDurable`` and the operation's own errors."""
        try:
            return run(operation, self._execute)
        except FAILURES as error:
            self._refresh_topology()
            raise unavailable(error) from None

    def identities(self) -> list[str]:
        """Return the identity of each primary; it changes with a restart or failover. Raises ``StoreUnavailable``."""
        with translate_errors():
            self._refresh_topology()
            return [_identity(each) for each in self._network.primaries()]

    def info(self, section: str) -> list[dict[str, Any]]:
        """Return a section of INFO from each primary. Raises ``StoreUnavailable``."""
        with translate_errors():
            return [each.info(section) for each in self._network.primaries()]

    def close(self) -> None:
        """Close every connection."""
        for each in _clients(self._network):
            each.close()

    def _execute(self, step: RedisStep) -> object:
        return run(_perform(self._network, step, self._wait), _send)

    def _refresh_topology(self) -> None:
        # A failed node may have been replaced already.
        if isinstance(self._network, Cluster):
            with suppress(*FAILURES):
                self._network.layout.nodes_manager.initialize()


def _identity(client: RedisClient) -> str:
    return f"{client.info('server')['run_id']}{client.info('replication')['master_replid']}"


def _send(request: tuple[RedisClient, Commands]) -> Sequence[object]:
    client, commands = request
    if len(commands) == 1:
        try:
            return (client.execute_command(*commands[0]),)
        except redis.ResponseError as error:
            return (error,)
    pipeline = client.pipeline(transaction=False)
    for each in commands:
        pipeline.execute_command(*each)
    answers: Sequence[object] = pipeline.execute(raise_on_error=False)
    return answers


class AsyncRedisRunner:
    """Async version of ``RedisRunner``, for any number of event loops.

    Beyond ``_MAX_WAITING`` waiting operations it raises ``StoreUnavailable`` at once.
    """

    def __init__(
        self,
        address: Address,
        *,
        deadline_seconds: float = REDIS_DEADLINE_SECONDS,
        connections: int = REDIS_CONNECTIONS,
        replicas: int = 0,
    ) -> None:
        self._wait = _wait_command(replicas, deadline_seconds)
        self._slots = connections + _MAX_WAITING

        def node(host: str, port: int) -> AsyncRedisClient:
            single = _single(address, host, port)
            return connect_async(single, deadline_seconds=deadline_seconds, connections=connections)

        def network() -> _AsyncNetwork:
            client = connect_async(address, deadline_seconds=deadline_seconds, connections=connections)
            return Cluster(client, node) if address.form == "cluster" else SingleServer(client)

        # A connection belongs to the event loop that opened it.
        self._networks: weakref.WeakKeyDictionary[Any, _AsyncNetwork] = weakref.WeakKeyDictionary()
        self._make_network = network

    async def run(self, operation: RedisOperation[T]) -> T:
        """Run ``operation``. Raises ``StoreUnavailable``, ``NotDurable`` and the operation's own errors."""
        if self._slots == 0:
            raise StoreUnavailable("too many operations are waiting for the store; retry later")
        self._slots -= 1
        network: _AsyncNetwork | None = None
        try:
            network = await self._network()
            return await run_async(operation, partial(self._execute, network))
        except FAILURES as error:
            await _refresh_topology(network)
            raise unavailable(error) from None
        finally:
            self._slots += 1

    async def close(self) -> None:
        """Close every connection of the current event loop."""
        network = self._networks.pop(asyncio.get_running_loop(), None)
        for each in () if network is None else _clients(network):
            await each.aclose()

    async def _network(self) -> _AsyncNetwork:
        loop = asyncio.get_running_loop()
        network = self._networks.get(loop)
        if network is None:
            network = self._networks[loop] = self._make_network()
        if isinstance(network, Cluster):
            await network.layout.initialize()
        return network

    async def _execute(self, network: Network[AsyncRedisClient], step: RedisStep) -> object:
        return await run_async(_perform(network, step, self._wait), _send_async)


async def _refresh_topology(network: _AsyncNetwork | None) -> None:
    if isinstance(network, Cluster):
        with suppress(*FAILURES):
            await network.layout.nodes_manager.initialize()


async def _send_async(request: tuple[AsyncRedisClient, Commands]) -> Sequence[object]:
    client, commands = request
    if len(commands) == 1:
        try:
            return (await client.execute_command(*commands[0]),)
        except redis.ResponseError as error:
            return (error,)
    pipeline = client.pipeline(transaction=False)
    for each in commands:
        pipeline.execute_command(*each)
    answers: Sequence[object] = await pipeline.execute(raise_on_error=False)
    return answers


def _single(address: Address, host: str, port: int) -> Address:
    return replace(address, form="single", hosts=((host, port),))


def _clients(network: _AsyncNetwork) -> Sequence[Any]:
    return (network.client,) if isinstance(network, SingleServer) else (network.layout, *network.clients.values())


def bind_to(
    run: Callable[[RedisOperation[Any]], Any],
) -> Callable[[Callable[..., RedisOperation[Any]]], Callable[..., Any]]:
    """Return a function that makes methods of definitions: they run their operation by ``run``, sync or async."""

    def bind(define: Callable[..., RedisOperation[Any]]) -> Callable[..., Any]:
        return lambda *arguments: run(define(*arguments))

    return bind
