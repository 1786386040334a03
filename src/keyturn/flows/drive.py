"""Drivers, which run a flow against real ports, with or without ``await``."""

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from keyturn.core.types import T
from keyturn.flows.effects import Call, Flow
from keyturn.generators import run, run_async
from keyturn.ports import Ports


def drive(flow: Flow[T], ports: Ports, check: Callable[[], None] = lambda: None) -> T:
    """Run ``flow`` and return its result. An exception from a port is raised inside the flow, at the ``yield``.

    ``check``: called before each call; raises to refuse it, for example after a deadline.
    """

    def execute(call: Call) -> Any:
        check()
        return getattr(getattr(ports, call.port), call.method)(*call.arguments)

    return run(flow, execute)


async def drive_async(flow: Flow[T], ports: Ports) -> T:
    """Run ``flow`` as ``drive`` does, and await results of ports that are awaitable."""

    async def execute(call: Call) -> Any:
        result = getattr(getattr(ports, call.port), call.method)(*call.arguments)
        return await result if isawaitable(result) else result

    return await run_async(flow, execute)
