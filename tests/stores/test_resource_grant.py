"""The audience granted at a login is kept by every store, and survives a restart and a change of the setting."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyturn import Issuer
from keyturn.errors import InvalidTarget
from keyturn.flows import IssuedCredentials
from services.fixtures import Fresh
from services.redis import RedisServer

ADA, PASSWORD = "ada@example.com", "a bicycle made of rain"
Open = Callable[[str], Issuer]


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def open_issuer(request: pytest.FixtureRequest, tmp_path: Path, fresh: Fresh, empty_redis: RedisServer) -> Open:
    settings: dict[str, Any] = {"data_dir": str(tmp_path), "background": False}
    if request.param == "postgresql":
        settings["store"] = fresh("postgresql")
    if request.param == "redis":
        settings["session_store"] = empty_redis.url
    return lambda audience: Issuer.from_env(audience=audience, **settings)


def aud(issuer: Issuer, issued: IssuedCredentials) -> object:
    assert issued.access_token
    return issuer.introspect(issued.access_token)["aud"]


def refresh(issuer: Issuer, issued: IssuedCredentials, **resource: Any) -> IssuedCredentials:
    assert issued.refresh_token
    return issuer.refresh(issued.refresh_token, **resource)


def test_a_limited_session_is_limited_after_a_restart(open_issuer: Open) -> None:
    with open_issuer("orders,billing,stock") as issuer:
        issued = issuer.signup(ADA, PASSWORD, deliver="tokens", resource=["orders", "billing"])
    with open_issuer("stock,billing,orders") as issuer:
        with pytest.raises(InvalidTarget):
            refresh(issuer, issued, resource=["orders", "stock"])
        issued = refresh(issuer, issued)
        assert aud(issuer, issued) == ("billing", "orders")
    with open_issuer("orders,stock") as issuer:
        assert aud(issuer, refresh(issuer, issued)) == "orders"
    with open_issuer("stock") as issuer, pytest.raises(InvalidTarget, match="any more"):
        refresh(issuer, issued)


def test_a_session_without_a_resource_follows_the_setting(open_issuer: Open) -> None:
    with open_issuer("orders") as issuer:
        issued = issuer.signup(ADA, PASSWORD, deliver="tokens")
    with open_issuer("orders,billing") as issuer:
        assert aud(issuer, refresh(issuer, issued)) == ("orders", "billing")
        assert aud(issuer, refresh(issuer, issued, resource="billing")) == "billing"
