"""Drivers, which run a flow against real ports, with or without ``await``."""

from inspect import isawaitable
from typing import Any

from keyturn.flows.effects import Call, Flow, T
from keyturn.ports import Ports


def drive(flow: Flow[T], ports: Ports) -> T:
    """Run ``flow`` and return its result. An exception from a port is raised inside the flow, at the ``yield``."""
    try:
        call = next(flow)
        while True:
            try:
                result = _execute(call, ports)
            except BaseException as error:  # a cancelled flow must run its ``finally`` clauses too
                call = flow.throw(error)
            else:
                call = flow.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # a generator's return value is typed Any by typeshed


async def drive_async(flow: Flow[T], ports: Ports) -> T:
    """Run ``flow`` as ``drive`` does, and await results of ports that are awaitable."""
    try:
        call = next(flow)
        while True:
            try:
                result = _execute(call, ports)
                if isawaitable(result):
                    result = await result
            except BaseException as error:  # asyncio.CancelledError included
                call = flow.throw(error)
            else:
                call = flow.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # a generator's return value is typed Any by typeshed


def _execute(call: Call, ports: Ports) -> Any:
    return getattr(getattr(ports, call.port), call.method)(*call.arguments)
