"""A pytest plugin: httpx reads the bundle of certificate authorities once a process instead of once a client.

Reading it takes 21 ms of CPU, and the tests make some thousands of clients, hardly one of which speaks TLS.
"""

import os
import ssl
from functools import cache
from typing import Any

import certifi

BUNDLES = (certifi.where(), os.environ.get("SSL_CERT_FILE"))
"""Where httpx looks for authorities."""

_create = ssl.create_default_context


@cache
def _bundled(cafile: str) -> ssl.SSLContext:
    return _create(cafile=cafile)


def _create_or_share(*arguments: Any, **options: Any) -> ssl.SSLContext:
    if not arguments and set(options) == {"cafile"} and options["cafile"] in BUNDLES:
        return _bundled(options["cafile"])
    return _create(*arguments, **options)


def pytest_configure() -> None:
    """Replace the function that httpx calls for each client."""
    ssl.create_default_context = _create_or_share
