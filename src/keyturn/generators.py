"""Run a generator that yields requests and is sent their answers: the one place with and without ``await``.

A use case, a store operation or a check is written once, as a generator. It does no I/O: it yields a request, and goes
on with the answer. Whoever runs it decides how requests are answered::

    def double(key: str) -> Generator[str, int, int]:
        return 2 * (yield key)

    run(double("a"), {"a": 21}.__getitem__)  # 42

An exception of ``answer`` is raised in the generator, at its ``yield``: it may handle it, and its ``finally`` clauses
run, also when a task is cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")


def run(steps: Generator[_Request, Any, _Result], answer: Callable[[_Request], Any]) -> _Result:
    """Run ``steps`` to the end and return its result. ``answer``: answers one request."""
    try:
        request = next(steps)
        while True:
            try:
                value = answer(request)
            except BaseException as error:
                request = steps.throw(error)
            else:
                request = steps.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # a generator's return value is typed Any by typeshed


async def run_async(steps: Generator[_Request, Any, _Result], answer: Callable[[_Request], Awaitable[Any]]) -> _Result:
    """Run ``steps`` as ``run`` does, and await each answer."""
    try:
        request = next(steps)
        while True:
            try:
                value = await answer(request)
            except BaseException as error:  # asyncio.CancelledError included
                request = steps.throw(error)
            else:
                request = steps.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # a generator's return value is typed Any by typeshed


def is_task_cancelled() -> bool:
    """Return True if the running task is being cancelled, and not only a task of the application that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
