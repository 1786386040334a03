"""Guarded applications: one or several in a test, and their threads ended after it."""

import asyncio
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from integrations.guarded_app import GuardedIssuer
from keyturn import AsyncIssuer
from web.exchanges import cheap, open_async, settings


@pytest.fixture
def make() -> Iterator[Callable[..., GuardedIssuer]]:
    made: list[GuardedIssuer] = []

    def make(policy: str = "browser", **guard: Any) -> GuardedIssuer:
        made.append(GuardedIssuer(policy, **guard))
        return made[-1]

    yield make
    for each in made:
        each.hasher.close()


@pytest.fixture
def issuer_app(make: Callable[..., GuardedIssuer]) -> GuardedIssuer:
    return make()


@pytest.fixture(params=["starlette", "fastapi", "litestar"])
def build(request: pytest.FixtureRequest) -> Any:
    """Return the function that builds the application of one framework."""
    return import_module("integrations.framework_apps").APPS[request.param]


@pytest.fixture
def issuer() -> Iterator[AsyncIssuer]:
    """Yield an issuer on a memory store, with clocks that stand still."""
    made = open_async()
    yield made
    asyncio.run(made.close())


@pytest.fixture
def live_issuer() -> Iterator[AsyncIssuer]:
    """Yield an issuer that follows its feed, as open sockets need it."""
    made: AsyncIssuer = cheap(AsyncIssuer.open(settings()))
    yield made
    asyncio.run(made.close())
