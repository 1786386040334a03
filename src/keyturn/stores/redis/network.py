"""Network: which server has a key, and what it answers when it has no more. Written once for both colours."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Protocol

from redis.exceptions import AskError, MovedError, NoScriptError, ResponseError

from keyturn.errors import NotDurable, StoreUnavailable
from keyturn.stores.redis.connect import unavailable
from keyturn.stores.redis.operation import Call, Word

REDIRECTIONS: Final = 5

Commands = Sequence[tuple[Word, ...]]
Exchange = Generator[tuple[Any, Commands], Sequence[Any], Any]
"""Yields a client and what to say to it on one connection; is sent an answer, or an error, for each."""


class Network(Protocol):
    """The servers of one address."""

    def holder(self, key: bytes) -> Any:
        """The client of the primary that has ``key``, as far as is known."""
        ...

    def at(self, host: str, port: int) -> Any:
        """The client of one server."""
        ...

    def moved(self, error: MovedError) -> None:
        """Learn where a slot has gone."""
        ...

    def primaries(self) -> list[Any]:
        """A client of each, as far as is known."""
        ...


class One:
    """One server, or the primary that sentinels name."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def holder(self, key: bytes) -> Any:
        return self.client

    def at(self, host: str, port: int) -> Any:
        raise StoreUnavailable("a cluster's node; write redis+cluster://")

    def moved(self, error: MovedError) -> None:
        raise StoreUnavailable("a cluster's node; write redis+cluster://")

    def primaries(self) -> list[Any]:
        return [self.client]


class Clustered:
    """A cluster. ``layout``: redis-py's client of it, asked for its layout only. ``connect``: a client of one node."""

    def __init__(self, layout: Any, connect: Callable[[str, int], Any]) -> None:
        self.layout = layout
        self.clients: dict[tuple[str, int], Any] = {}
        self._connect = connect

    def holder(self, key: bytes) -> Any:
        node = self.layout.get_node_from_key(key)
        return self.at(node.host, node.port)

    def at(self, host: str, port: int) -> Any:
        found = self.clients.get((host, port))
        return found or self.clients.setdefault((host, port), self._connect(host, port))

    def moved(self, error: MovedError) -> None:
        self.layout.nodes_manager.move_slot(error)

    def primaries(self) -> list[Any]:
        return [self.at(node.host, node.port) for node in self.layout.get_primaries()]


def exchange(network: Network, call: Call, wait: Sequence[Word]) -> Exchange:
    """Make one call. ``wait``: the WAIT that follows one that has to be durable, if any."""
    then = [tuple(wait)] if call.durable and wait else []
    client, known = network.holder(call.keys[0]), True
    before: Commands = ()
    for _ in range(REDIRECTIONS):
        answers = yield client, [*before, call.words(known=known), *then]
        answer, *rest = answers[len(before) :]
        before = ()
        if isinstance(answer, NoScriptError):
            known = False
        elif isinstance(answer, MovedError):
            network.moved(answer)
            client = network.holder(call.keys[0])
        elif isinstance(answer, AskError):
            client, before = network.at(*_place_of(answer)), (("ASKING",),)
        else:
            check(answer)
            check_durable(rest, wait)
            return answer
    raise StoreUnavailable("sent from server to server")


def exchange_all(network: Network, calls: Sequence[Call], wait: Sequence[Word]) -> Generator[Any, Any, list[Any]]:
    """Make many calls: to each server those it has, in one round trip; what one refuses is asked alone."""
    answers: dict[int, Any] = {}
    for client, numbers in _by_holder(network, calls).items():
        durable = any(calls[number].durable for number in numbers) and wait
        commands = [calls[number].words() for number in numbers]
        got = yield client, [*commands, tuple(wait)] if durable else commands
        answers.update(zip(numbers, got, strict=False))
        check_durable(got[len(numbers) :], wait)
    for number, answer in answers.items():
        if isinstance(answer, ResponseError):
            answers[number] = yield from exchange(network, calls[number], wait)
    return [answers[number] for number in range(len(calls))]


def check(answer: Any) -> None:
    """Raises ``StoreUnavailable`` for an error; it quotes nothing."""
    if isinstance(answer, Exception):
        raise unavailable(answer) from None


def check_durable(answers: Sequence[Any], wait: Sequence[Word]) -> None:
    """Raises ``NotDurable`` when fewer replicas than asked for have what was written."""
    for answer in answers:
        check(answer)
        if answer < int(wait[1]):
            raise NotDurable(f"{answer} of {int(wait[1])} replicas have it")


def _place_of(error: Any) -> tuple[str, int]:
    return error.host, error.port


def _by_holder(network: Network, calls: Sequence[Call]) -> dict[Any, list[int]]:
    numbers: dict[Any, list[int]] = {}
    for number, call in enumerate(calls):
        numbers.setdefault(network.holder(call.keys[0]), []).append(number)
    return numbers
