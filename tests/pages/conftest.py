"""One site for each test."""

import asyncio
from collections.abc import Iterator

import pytest

from keyturn import AsyncIssuer
from keyturn.web.asgi_messages import AsgiApp
from pages.site import PHONE, Visitor, open_site

PROFILES = ("browser", "browser-strict", "nist-aal2", "banking")


@pytest.fixture(params=PROFILES)
def site(request: pytest.FixtureRequest) -> Iterator[tuple[AsgiApp, AsyncIssuer]]:
    app, issuer = open_site(profile=request.param)
    yield app, issuer
    asyncio.run(issuer.close())


@pytest.fixture
def laptop(site: tuple[AsgiApp, AsyncIssuer]) -> Visitor:
    return Visitor(site[0])


@pytest.fixture
def phone(site: tuple[AsgiApp, AsyncIssuer]) -> Visitor:
    return Visitor(site[0], PHONE)
