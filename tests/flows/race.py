"""Two requests at once: another one commits between two steps of the flow under test."""

from collections.abc import Callable
from copy import copy
from typing import Any

from flows.catalogue import FlowFixture
from keyturn.flows.drive import drive
from keyturn.flows.effects import Flow

Rival = Callable[[], object]


class WithPrecedingCall:
    """A port; right before its first call of ``verb``, ``rival`` runs, once."""

    def __init__(self, port: Any, verb: str, rival: Rival) -> None:
        self._port, self._verb = port, verb
        self.rivals = [rival]

    def __getattr__(self, verb: str) -> Any:
        if verb == self._verb and self.rivals:
            self.rivals.pop()()
        return getattr(self._port, verb)


def run_against(flows: FlowFixture, flow: Flow[Any], step: str, rival: Rival) -> Any:
    """Run ``flow``, and ``rival`` to its end right before the flow's first ``step`` (``"port.verb"``)."""
    name, _, verb = step.partition(".")
    ports = copy(flows.ports)
    port = WithPrecedingCall(getattr(ports, name), verb, rival)
    setattr(ports, name, port)
    try:
        return drive(flow, ports)
    finally:
        assert not port.rivals, f"the flow never came to {step}"
