"""One server for each file, and a login on it that must be good in the end."""

from collections.abc import Iterator

import pytest

from advisories.raw_http import OTHER, OTHER_PASSWORD, Wire, wired
from fuzz.control_login import Bystander


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with wired(login_limit_per_account=100) as made:
        made.signup()
        made.signup(OTHER, OTHER_PASSWORD)
        yield made


@pytest.fixture(scope="module")
def bystander(wire: Wire) -> Iterator[Bystander]:
    made = Bystander(wire)
    yield made
    made.unharmed()
