"""The ``Grants`` port: asks the application which scopes and claims a login gets."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any, TypeAlias

from keyturn.core.grants import Grant, GrantRequest, read_grant
from keyturn.errors import GrantsUnavailable
from keyturn.generators import is_task_cancelled

GrantsFunction: TypeAlias = Callable[[GrantRequest], Grant | tuple[str, Any] | Awaitable[Grant | tuple[str, Any]]]
"""Function of the application. ``AsyncIssuer`` also takes a coroutine function."""

_logger = logging.getLogger("keyturn")


class NoGrants:
    """The application decides nothing: a login gets the scopes that are stored with its account."""

    def decide(self, request: GrantRequest) -> None:
        """Return None for every ``request``."""


class ApplicationGrants:
    """Grants of a function. Raises ``TypeError`` for a coroutine function, which only ``AsyncIssuer`` can await."""

    def __init__(self, function: GrantsFunction) -> None:
        if iscoroutinefunction(function):
            raise TypeError("grants is a coroutine function: use AsyncIssuer, or give Issuer a plain function")
        self._function = function

    def decide(self, request: GrantRequest) -> Grant:
        """Return what the application grants. Raises ``GrantsUnavailable`` if it raises or returns anything else."""
        try:
            answer = self._function(request)
            if iscoroutine(answer):
                answer.close()
            return read_grant(answer)
        except Exception as error:  # whatever the application raises
            raise _unavailable(error) from error


class AsyncApplicationGrants:
    """Grants of a coroutine function, or of a plain function, which is called in a thread."""

    def __init__(self, function: GrantsFunction) -> None:
        self._function = function

    async def decide(self, request: GrantRequest) -> Grant:
        """Return as ``ApplicationGrants.decide`` does."""
        try:
            if iscoroutinefunction(self._function):
                return read_grant(await self._function(request))
            answer = await asyncio.to_thread(self._function, request)
            return read_grant((await answer) if isawaitable(answer) else answer)
        except (Exception, asyncio.CancelledError) as error:  # whatever the application raises
            if is_task_cancelled():
                raise
            raise _unavailable(error) from error


def _unavailable(error: BaseException) -> GrantsUnavailable:
    if isinstance(error, GrantsUnavailable):
        _logger.error("%s", error.detail)
        return error
    _logger.error("`grants` raised %s", type(error).__name__, exc_info=error)
    return GrantsUnavailable(f"`grants` raised {type(error).__name__}")


def make_grants(function: GrantsFunction | None, *, is_async: bool) -> Any:
    """Return the port for ``function``, which is None for an application that decides nothing."""
    if function is None:
        return NoGrants()
    return AsyncApplicationGrants(function) if is_async else ApplicationGrants(function)
