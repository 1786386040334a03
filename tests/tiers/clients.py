"""A pytest plugin: httpx reads the bundle of certificate authorities once a process instead of once a client.

Reading it takes 21 ms of CPU, and the tests make some thousands of clients, hardly one of which speaks TLS.
"""

import ssl
from functools import cache
from typing import Any

import certifi

_create = ssl.create_default_context


@cache
def _bundled() -> ssl.SSLContext:
    return _create(cafile=certifi.where())


def _create_or_share(*arguments: Any, **options: Any) -> ssl.SSLContext:
    if not arguments and options == {"cafile": certifi.where()}:
        return _bundled()
    return _create(*arguments, **options)


def pytest_configure() -> None:
    """Replace the function that httpx calls for each client."""
    ssl.create_default_context = _create_or_share
