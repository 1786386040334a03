"""One server for each file, and a login on it that must be good in the end."""

from collections.abc import Iterator

import pytest

from advisories.raw_http import OTHER, OTHER_PASSWORD, RawClient, make_client
from fuzz.control_login import ControlLogin


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    with make_client(login_limit_per_account=100) as made:
        made.signup()
        made.signup(OTHER, OTHER_PASSWORD)
        yield made


@pytest.fixture(scope="module")
def control_login(client: RawClient) -> Iterator[ControlLogin]:
    made = ControlLogin(client)
    yield made
    made.assert_unharmed()
