"""``grants`` of an issuer: a function of the application, plain or a coroutine, and what it does wrong."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyturn import AsyncIssuer, Grant, GrantRequest, Issuer, Verifier
from keyturn.errors import GrantsUnavailable, PasswordRejected
from keyturn.tokens import KeySet

ADA, PASSWORD = "ada@example.com", "violet umbrella 7 o clock"


@pytest.fixture
def data_dir(tmp_path: Path) -> str:
    return str(tmp_path)


def open_issuer(data_dir: str, grants: Any = None) -> Issuer:
    return Issuer.from_env(data_dir=data_dir, audience="orders", background=False, grants=grants)


def read_only(request: GrantRequest) -> Grant:
    return Grant("orders:read", {"tenant": 7, "roles": ["a"], "asked": request.scope is not None})


@pytest.fixture
def issuer(data_dir: str) -> Iterator[Issuer]:
    with open_issuer(data_dir, read_only) as found:
        yield found


def test_claims_are_read_alike_by_cookie_by_token_and_at_a_verifier(issuer: Issuer) -> None:
    issued = issuer.signup(ADA, PASSWORD, deliver="both")
    keys = KeySet.from_jwks(issuer.parts.keyring.jwks(issuer.parts.now()))
    verify = Verifier(issuer.config.issuer, "orders", keys=keys, revocation="none")
    principals = [issuer.verify(str(each)) for each in (issued.session_token, issued.access_token)]
    token = str(issued.access_token)
    for principal in (*principals, verify(token), verify(token)):
        assert principal.claims == {"tenant": 7, "roles": ("a",), "asked": False}
        assert principal.scope == ("orders:read",)
        with pytest.raises(TypeError):
            principal.claims["tenant"] = 8  # type: ignore[index]


async def granted_later(request: GrantRequest) -> tuple[str, dict[str, object]]:
    await asyncio.sleep(0)
    return "orders:read", {"tenant": request.client.client_id}


class GrantsObject:
    async def __call__(self, request: GrantRequest) -> Grant:
        return Grant("orders:read", {"tenant": request.client.client_id})


def granted_in_a_thread(request: GrantRequest) -> Grant:
    assert threading.current_thread() is not threading.main_thread()
    return Grant("orders:read", {"tenant": request.client.client_id})


@pytest.mark.parametrize("grants", [granted_later, GrantsObject(), granted_in_a_thread])
def test_an_async_issuer_takes_a_coroutine_or_a_plain_function(data_dir: str, grants: Any) -> None:
    async def log_in() -> tuple[object, object]:
        async with AsyncIssuer.from_env(data_dir=data_dir, background=False, grants=grants) as issuer:
            issued = await issuer.signup(ADA, PASSWORD, deliver="tokens")
            rotated = await issuer.refresh(str(issued.refresh_token))
            principal = await issuer.verify(str(rotated.access_token))
            return principal.scope, principal.claims

    assert asyncio.run(log_in()) == (("orders:read",), {"tenant": "default"})


def test_an_issuer_without_a_loop_refuses_a_coroutine_function(data_dir: str) -> None:
    with pytest.raises(TypeError, match="use AsyncIssuer"):
        open_issuer(data_dir, granted_later)


def fail(request: GrantRequest) -> Grant:
    raise LookupError("no row for " + request.subject)


def reject(request: GrantRequest) -> Grant:
    raise PasswordRejected("a refusal of another kind")


@pytest.mark.parametrize("grants", [fail, reject, lambda _: None, lambda _: ("keyturn:admin", {}), GrantsObject()])
@pytest.mark.filterwarnings("error")
def test_grants_that_fail_refuse_one_request_and_say_why_in_the_log(
    data_dir: str, grants: Callable[[GrantRequest], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with open_issuer(data_dir) as issuer:
        issued = issuer.signup(ADA, PASSWORD, deliver="both")
    with open_issuer(data_dir, grants) as issuer:
        for attempt in (
            lambda: issuer.login(ADA, PASSWORD),
            lambda: issuer.refresh(str(issued.refresh_token)),
            lambda: issuer.step_up(issued.sid, PASSWORD),
        ):
            caplog.clear()
            with pytest.raises(GrantsUnavailable):
                attempt()
            assert "`grants`" in caplog.text
        assert issuer.verify(str(issued.session_token)).sid == issued.sid
        assert issuer.verify(str(issued.access_token)).sid == issued.sid
    with open_issuer(data_dir) as issuer:
        assert issuer.refresh(str(issued.refresh_token)).sid == issued.sid


@pytest.mark.parametrize("grants", [fail, reject, lambda _: None])
def test_grants_that_fail_do_so_alike_with_an_event_loop(data_dir: str, grants: Any) -> None:
    async def log_in() -> None:
        async with AsyncIssuer.from_env(data_dir=data_dir, background=False, grants=grants) as issuer:
            with pytest.raises(GrantsUnavailable):
                await issuer.signup(ADA, PASSWORD)

    asyncio.run(log_in())


def test_a_cancelled_login_is_no_failure_of_grants(data_dir: str) -> None:
    async def hang(_: GrantRequest) -> Grant:
        await asyncio.Event().wait()
        raise AssertionError

    async def log_in() -> None:
        async with AsyncIssuer.from_env(data_dir=data_dir, background=False, grants=hang) as issuer:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(issuer.signup(ADA, PASSWORD), 1)

    asyncio.run(log_in())
