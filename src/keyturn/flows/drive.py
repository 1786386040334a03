"""Drivers, which run a flow against real ports, with or without ``await``."""

from inspect import isawaitable
from typing import Any

from keyturn.flows.effects import Call, Flow, T
from keyturn.generators import run, run_async
from keyturn.ports import Ports


def drive(flow: Flow[T], ports: Ports) -> T:
    """Run ``flow`` and return its result. An exception from a port is raised inside the flow, at the ``yield``."""
    return run(flow, lambda call: getattr(getattr(ports, call.port), call.method)(*call.arguments))


async def drive_async(flow: Flow[T], ports: Ports) -> T:
    """Run ``flow`` as ``drive`` does, and await results of ports that are awaitable."""

    async def execute(call: Call) -> Any:
        result = getattr(getattr(ports, call.port), call.method)(*call.arguments)
        return await result if isawaitable(result) else result

    return await run_async(flow, execute)
