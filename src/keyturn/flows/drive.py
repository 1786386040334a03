"""Drivers, which run a flow against real ports, with or without ``await``."""

from inspect import isawaitable
from typing import Any

from keyturn.flows.effects import Call, Flow, T
from keyturn.ports import Ports


def drive(flow: Flow[T], ports: Ports) -> T:
    """Run ``flow`` and return its result. An exception from a port is raised inside the flow, at the ``yield``."""
    try:
        step = next(flow)
        while True:
            try:
                answer = _call(step, ports)
            except BaseException as failure:  # a cancelled flow must run its ``finally`` clauses too
                step = flow.throw(failure)
            else:
                step = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # a generator's return value is typed Any by typeshed


async def drive_async(flow: Flow[T], ports: Ports) -> T:
    """Run ``flow`` as ``drive`` does, and await results of ports that are awaitable."""
    try:
        step = next(flow)
        while True:
            try:
                answer = _call(step, ports)
                if isawaitable(answer):
                    answer = await answer
            except BaseException as failure:  # asyncio.CancelledError included
                step = flow.throw(failure)
            else:
                step = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # a generator's return value is typed Any by typeshed


def _call(step: Call, ports: Ports) -> Any:
    return getattr(getattr(ports, step.port), step.method)(*step.arguments)
