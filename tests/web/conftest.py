"""A site for every test; the password hash is small, the rest is real."""

import pytest

from keyturn.passwords import Argon2Hasher, Argon2Parameters
from web.browser import Browser, Make


@pytest.fixture(scope="session")
def make() -> Make:
    return Make(Argon2Hasher(Argon2Parameters(memory_cost=64, time_cost=1), threads=1))


@pytest.fixture
def browser(make: Make) -> Browser:
    return make()
