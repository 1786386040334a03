"""Cancellations of tasks of the application, and of the request that calls its functions."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from keyturn.accounts.calls import AsyncCalls, Step, run_step
from keyturn.errors import GrantsUnavailable, StoreUnavailable
from keyturn.grants import AsyncApplicationGrants


async def await_cancelled(*_: object) -> Any:
    raise asyncio.CancelledError


def call_cancelled(*_: object) -> Any:
    raise asyncio.CancelledError


def return_cancelled(*_: object) -> Any:
    return await_cancelled()


async def wait(*_: object) -> Any:
    await asyncio.Event().wait()


async def run_own(function: Callable[..., Any]) -> Any:
    calls = AsyncCalls()
    try:
        return await calls.run_step(Step(function, (), is_own=True))
    finally:
        calls.close()


async def decide(function: Callable[..., Any]) -> Any:
    request: Any = None
    return await AsyncApplicationGrants(function).decide(request)


@pytest.mark.parametrize(("run", "refusal"), [(run_own, StoreUnavailable), (decide, GrantsUnavailable)])
@pytest.mark.parametrize("function", [await_cancelled, call_cancelled, return_cancelled])
def test_a_cancelled_task_of_the_application_is_a_refusal(
    run: Callable[..., Any], refusal: type[Exception], function: Callable[..., Any]
) -> None:
    with pytest.raises(refusal, match="CancelledError"):
        asyncio.run(run(function))


def test_a_plain_function_that_raises_a_cancellation_is_a_refusal_of_a_synchronous_issuer() -> None:
    with pytest.raises(StoreUnavailable, match="CancelledError"):
        run_step(Step(call_cancelled, (), is_own=True))


@pytest.mark.parametrize("run", [run_own, decide])
def test_a_cancelled_request_stays_cancelled(run: Callable[..., Any]) -> None:
    async def main() -> None:
        task = asyncio.create_task(run(wait))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
