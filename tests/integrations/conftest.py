"""Guarded applications: one or several in a test, and their threads ended after it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.guarded_app import GuardedIssuer


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
