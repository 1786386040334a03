"""Guarded applications: one or several in a test, and their threads ended after it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.guarded_app import House


@pytest.fixture
def make() -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(policy: str = "browser", **guard: Any) -> House:
        houses.append(House(policy, **guard))
        return houses[-1]

    yield make
    for each in houses:
        each.hasher.close()


@pytest.fixture
def house(make: Callable[..., House]) -> House:
    return make()
