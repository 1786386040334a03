"""Network: which server has a key, and what it answers when it has no more. Written once for both colours."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Protocol

from redis.exceptions import AskError, MovedError, NoScriptError, ResponseError

from keyturn.errors import NotDurable, StoreUnavailable
from keyturn.stores.redis.connect import unavailable
from keyturn.stores.redis.operation import Call, Word

REDIRECTIONS: Final = 5

Commands = Sequence[tuple[Word, ...]]
Execution = Generator[tuple[Any, Commands], Sequence[Any], Any]
"""Yields a client and what to say to it on one connection; is sent an answer, or an error, for each."""


class Network(Protocol):
    """The servers of one address."""

    def client_for_key(self, key: bytes) -> Any:
        """The client of the primary that has ``key``, as far as is known."""
        ...

    def client_at(self, host: str, port: int) -> Any:
        """The client of one server."""
        ...

    def record_move(self, error: MovedError) -> None:
        """Learn where a slot has gone."""
        ...

    def primaries(self) -> list[Any]:
        """A client of each, as far as is known."""
        ...


class SingleServer:
    """One server, or the primary that sentinels name."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def client_for_key(self, key: bytes) -> Any:
        return self.client

    def client_at(self, host: str, port: int) -> Any:
        raise StoreUnavailable("a cluster's node; write redis+cluster://")

    def record_move(self, error: MovedError) -> None:
        raise StoreUnavailable("a cluster's node; write redis+cluster://")

    def primaries(self) -> list[Any]:
        return [self.client]


class Cluster:
    """A cluster. ``layout``: redis-py's client of it, asked for its layout only. ``connect``: a client of one node."""

    def __init__(self, layout: Any, connect: Callable[[str, int], Any]) -> None:
        self.layout = layout
        self.clients: dict[tuple[str, int], Any] = {}
        self._connect = connect

    def client_for_key(self, key: bytes) -> Any:
        node = self.layout.get_node_from_key(key)
        return self.client_at(node.host, node.port)

    def client_at(self, host: str, port: int) -> Any:
        found = self.clients.get((host, port))
        return found or self.clients.setdefault((host, port), self._connect(host, port))

    def record_move(self, error: MovedError) -> None:
        self.layout.nodes_manager.move_slot(error)

    def primaries(self) -> list[Any]:
        return [self.client_at(node.host, node.port) for node in self.layout.get_primaries()]


def execute(network: Network, call: Call, wait_command: Sequence[Word]) -> Execution:
    """Make one call. ``wait``: the WAIT that follows one that has to be durable, if any."""
    then = [tuple(wait_command)] if call.durable and wait_command else []
    client, known = network.client_for_key(call.keys[0]), True
    before: Commands = ()
    for _ in range(REDIRECTIONS):
        answers = yield client, [*before, call.words(known=known), *then]
        answer, *rest = answers[len(before) :]
        before = ()
        if isinstance(answer, NoScriptError):
            known = False
        elif isinstance(answer, MovedError):
            network.record_move(answer)
            client = network.client_for_key(call.keys[0])
        elif isinstance(answer, AskError):
            client, before = network.client_at(*_redirect_target(answer)), (("ASKING",),)
        else:
            check(answer)
            check_durable(rest, wait_command)
            return answer
    raise StoreUnavailable("sent from server to server")


def execute_all(
    network: Network, calls: Sequence[Call], wait_command: Sequence[Word]
) -> Generator[Any, Any, list[Any]]:
    """Make many calls: to each server those it has, in one round trip; what one refuses is asked alone."""
    answers: dict[int, Any] = {}
    for client, numbers in _group_by_client(network, calls).items():
        durable = any(calls[number].durable for number in numbers) and wait_command
        commands = [calls[number].words() for number in numbers]
        got = yield client, [*commands, tuple(wait_command)] if durable else commands
        answers.update(zip(numbers, got, strict=False))
        check_durable(got[len(numbers) :], wait_command)
    for number, answer in answers.items():
        if isinstance(answer, ResponseError):
            answers[number] = yield from execute(network, calls[number], wait_command)
    return [answers[number] for number in range(len(calls))]


def check(answer: Any) -> None:
    """Raises ``StoreUnavailable`` for an error; it quotes nothing."""
    if isinstance(answer, Exception):
        raise unavailable(answer) from None


def check_durable(answers: Sequence[Any], wait_command: Sequence[Word]) -> None:
    """Raises ``NotDurable`` when fewer replicas than asked for have what was written."""
    for answer in answers:
        check(answer)
        if answer < int(wait_command[1]):
            raise NotDurable(f"{answer} of {int(wait_command[1])} replicas have it")


def _redirect_target(error: Any) -> tuple[str, int]:
    return error.host, error.port


def _group_by_client(network: Network, calls: Sequence[Call]) -> dict[Any, list[int]]:
    numbers: dict[Any, list[int]] = {}
    for number, call in enumerate(calls):
        numbers.setdefault(network.client_for_key(call.keys[0]), []).append(number)
    return numbers
