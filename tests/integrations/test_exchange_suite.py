"""The exchange suite: every front answers the table alike, in every mode, and a planted fault fails it."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.exchange_table import EXCHANGES
from integrations.planted_faults import FAULTS, Faulty, front
from integrations.visitor import CASES, Case, Visitor

HERE = "tests/integrations/test_exchange_suite.py::test_a_front_answers_the_exchange"
STAND_IN = "session-cookie-browser-feed-a_login"
FRONTS = ("middleware", "starlette", "fastapi", "litestar", "flask", "django", "django_async")


DEFAULT = {("session", "cookie", "browser"), ("jwt", "header", "browser"), ("hybrid", "cookie", "browser-strict")}
"""Cases of the default run, with the feed. Every other case, and each without the feed, runs with ``--long``."""


def configurations() -> Iterator[Any]:
    for name in FRONTS:
        for case in CASES:
            for feed in ("feed", "store"):
                is_default = tuple(case) in DEFAULT and feed == "feed"
                marks = (
                    ()
                    if is_default
                    else pytest.mark.long(stands_in=f"{HERE}[{name}-session-cookie-browser-feed-a_login]")
                )
                yield pytest.param((name, case, feed), marks=marks, id="-".join([name, *case, feed]))


@pytest.fixture(scope="module", params=configurations())
def visitor(request: pytest.FixtureRequest) -> Iterator[Visitor]:
    name, case, feed = request.param
    made = Visitor(front(name), case, has_feed=feed == "feed")
    yield made
    made.close()


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_front_answers_the_exchange(visitor: Visitor, exchange: str) -> None:
    EXCHANGES[exchange](visitor)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_fails_the_suite(fault: str) -> None:
    failed = []
    visitor = Faulty(fault, Case("hybrid", "cookie", "browser-strict"))
    for name, exchange in EXCHANGES.items():
        try:
            exchange(visitor)
        except AssertionError:
            failed.append(name)
    visitor.close()
    assert failed
