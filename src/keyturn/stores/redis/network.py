"""Routing of calls to the server of a key, with cluster redirections; shared by the sync and the async runner."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from redis.exceptions import AskError, MovedError, NoScriptError, ResponseError

from keyturn.errors import NotDurable, StoreUnavailable
from keyturn.stores.redis.connect import unavailable
from keyturn.stores.redis.operation import RedisCall, Word

REDIRECTIONS: Final = 5

_Connection = TypeVar("_Connection")
"""A client of one server, sync or async."""

Commands = Sequence[tuple[Word, ...]]
Execution = Generator[tuple[_Connection, Commands], Sequence[object], object]
"""Yields a client and commands to send on one connection; receives a reply or an error for each command."""


class Network(Protocol[_Connection]):
    """Servers of one address."""

    def client_for_key(self, key: bytes) -> _Connection:
        """Return the client of the primary that has ``key``, by the known topology."""
        ...

    def client_at(self, host: str, port: int) -> _Connection:
        """Return the client of one server."""
        ...

    def record_move(self, error: MovedError) -> None:
        """Update the topology after a MOVED error."""
        ...

    def primaries(self) -> list[_Connection]:
        """Return a client of each known primary."""
        ...


class SingleServer(Generic[_Connection]):
    """Network of one server, or of the primary found by Sentinel."""

    def __init__(self, client: _Connection) -> None:
        self.client = client

    def client_for_key(self, key: bytes) -> _Connection:
        return self.client

    def client_at(self, host: str, port: int) -> _Connection:
        raise StoreUnavailable("the server is a node of a Redis Cluster; use a redis+cluster:// URL")

    def record_move(self, error: MovedError) -> None:
        raise StoreUnavailable("the server is a node of a Redis Cluster; use a redis+cluster:// URL")

    def primaries(self) -> list[_Connection]:
        return [self.client]


class Cluster(Generic[_Connection]):
    """Network of a cluster.

    ``layout``: redis-py's cluster client, used for its topology only. ``connect``: returns a client of one node.
    """

    def __init__(self, layout: Any, connect: Callable[[str, int], _Connection]) -> None:
        self.layout = layout
        self.clients: dict[tuple[str, int], _Connection] = {}
        self._connect = connect

    def client_for_key(self, key: bytes) -> _Connection:
        node = self.layout.get_node_from_key(key)
        return self.client_at(node.host, node.port)

    def client_at(self, host: str, port: int) -> _Connection:
        client = self.clients.get((host, port))
        return client or self.clients.setdefault((host, port), self._connect(host, port))

    def record_move(self, error: MovedError) -> None:
        self.layout.nodes_manager.move_slot(error)

    def primaries(self) -> list[_Connection]:
        return [self.client_at(node.host, node.port) for node in self.layout.get_primaries()]


def execute(network: Network[_Connection], call: RedisCall, wait_command: Sequence[Word]) -> Execution[_Connection]:
    """Make one call and follow redirections. ``wait_command``: the WAIT sent after a durable call, if any."""
    wait_commands = [tuple(wait_command)] if call.durable and wait_command else []
    client, is_cached = network.client_for_key(call.keys[0]), True
    prefix: Commands = ()
    for _ in range(REDIRECTIONS):
        answers = yield client, [*prefix, call.command_words(is_cached=is_cached), *wait_commands]
        answer, *rest = answers[len(prefix) :]
        prefix = ()
        if isinstance(answer, NoScriptError):
            is_cached = False
        elif isinstance(answer, MovedError):
            network.record_move(answer)
            client = network.client_for_key(call.keys[0])
        elif isinstance(answer, AskError):
            client, prefix = network.client_at(*_redirect_target(answer)), (("ASKING",),)
        else:
            check(answer)
            check_durable(rest, wait_command)
            return answer
    raise StoreUnavailable(
        f"Redis Cluster: gave up after {REDIRECTIONS} redirections (MOVED/ASK); check the cluster state"
    )


def execute_all(
    network: Network[_Connection], calls: Sequence[RedisCall], wait_command: Sequence[Word]
) -> Execution[_Connection]:
    """Make many calls: one round trip per server. Calls that a server rejects are repeated one by one."""
    answers: dict[int, object] = {}
    for client, indexes in _group_by_client(network, calls).items():
        durable = any(calls[index].durable for index in indexes) and wait_command
        commands = [calls[index].command_words() for index in indexes]
        responses = yield client, [*commands, tuple(wait_command)] if durable else commands
        answers.update(zip(indexes, responses, strict=False))
        check_durable(responses[len(indexes) :], wait_command)
    for index, answer in answers.items():
        if isinstance(answer, ResponseError):
            answers[index] = yield from execute(network, calls[index], wait_command)
    return [answers[index] for index in range(len(calls))]


def check(answer: object) -> None:
    """Check a reply. Raises ``StoreUnavailable`` for an error, without quoting it."""
    if isinstance(answer, Exception):
        raise unavailable(answer) from None


def check_durable(answers: Sequence[object], wait_command: Sequence[Word]) -> None:
    """Check the replies to WAIT. Raises ``NotDurable`` if too few replicas have confirmed the write."""
    for answer in answers:
        check(answer)
        if not isinstance(answer, int) or answer < int(wait_command[1]):
            raise NotDurable(
                f"{answer} of {int(wait_command[1])} replicas confirmed the write; "
                "check the replicas or KEYTURN_REDIS_MIN_REPLICAS"
            )


def _redirect_target(error: Any) -> tuple[str, int]:
    return error.host, error.port


def _group_by_client(network: Network[_Connection], calls: Sequence[RedisCall]) -> dict[_Connection, list[int]]:
    indexes: dict[_Connection, list[int]] = {}
    for index, call in enumerate(calls):
        indexes.setdefault(network.client_for_key(call.keys[0]), []).append(index)
    return indexes
