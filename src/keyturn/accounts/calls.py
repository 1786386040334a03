"""Calls of the application's own functions: bounded, in threads where they would block an event loop, never trusted."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

from keyturn.core.types import T
from keyturn.errors import Refusal, StoreUnavailable
from keyturn.generators import is_task_cancelled

CALL_SECONDS = 5.0
"""Longest call of an asynchronous issuer: a later answer is discarded."""

MAX_THREADS = 16
MAX_WAITING = 64

_logger = logging.getLogger("keyturn")


class Step(NamedTuple):
    """One call of a port of the store, or of a function of the application."""

    function: Callable[..., Any]
    arguments: tuple[object, ...]
    is_own: bool = False


Operation: TypeAlias = Generator[Step, Any, T]
"""A generator that yields steps, is sent their results and returns ``T``."""


def store_call(function: Callable[..., T], *arguments: object) -> Operation[T]:
    """Call a method of the store, which an asynchronous store answers with an awaitable."""
    return (yield Step(function, arguments))  # type: ignore[no-any-return]  # what ``function`` returned or awaited


def own_call(function: Callable[..., Any], *arguments: object) -> Operation[Any]:
    """Call a function of the application. Raises ``StoreUnavailable`` if it fails."""
    return (yield Step(function, arguments, is_own=True))


def run_step(step: Step) -> Any:
    """Run a step of a synchronous issuer."""
    if not step.is_own:
        return step.function(*step.arguments)
    value = _call(step)
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise StoreUnavailable(f"accounts.{_name(step)} is asynchronous: use it with AsyncIssuer")
    return value


class AsyncCalls:
    """Runs steps of an asynchronous issuer. Plain functions of the application run in threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="keyturn-accounts")
        self._running = 0

    async def run_step(self, step: Step) -> Any:
        """Run one step."""
        if not step.is_own:
            value = step.function(*step.arguments)
            return await value if inspect.isawaitable(value) else value
        if self._running >= MAX_WAITING:
            # Functions that block must not collect requests without a bound.
            raise StoreUnavailable("too many calls of the accounts are under way")
        self._running += 1
        try:
            return await asyncio.wait_for(self._run_own(step), CALL_SECONDS)
        except TimeoutError as error:
            raise StoreUnavailable(f"accounts.{_name(step)} took more than {CALL_SECONDS:g} s") from error
        finally:
            self._running -= 1

    def close(self) -> None:
        """Wait for no function: one that blocks must not hold up the end of the issuer."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run_own(self, step: Step) -> Any:
        if inspect.iscoroutinefunction(step.function):
            return await _await(step, step.function(*step.arguments))
        value = await asyncio.get_running_loop().run_in_executor(self._threads, _call, step)
        return await _await(step, value) if inspect.isawaitable(value) else value


def _call(step: Step) -> Any:
    try:
        return step.function(*step.arguments)
    except Refusal:
        raise
    except (Exception, asyncio.CancelledError) as error:  # no cancellation reaches a plain function
        raise _refusal_of(step, error) from error


async def _await(step: Step, value: Awaitable[Any]) -> Any:
    try:
        return await value
    except (Refusal, TimeoutError):
        raise
    except asyncio.CancelledError as error:
        if is_task_cancelled():
            raise
        # A task of the application was cancelled, not the request: its client must get an answer.
        raise _refusal_of(step, error) from error
    except Exception as error:
        raise _refusal_of(step, error) from error


def _refusal_of(step: Step, error: BaseException) -> StoreUnavailable:
    # The arguments may hold a password hash: log neither them nor the text of the error, which may repeat them.
    _logger.error("accounts.%s raised %s", _name(step), type(error).__name__)
    return StoreUnavailable(f"accounts.{_name(step)} raised {type(error).__name__}")


def _name(step: Step) -> str:
    return getattr(step.function, "__name__", "call")
