"""The Python API of the issuer: wrong types, closed issuers and forked processes are refused."""

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyturn import AsyncIssuer, Issuer
from keyturn.core.session import ClientInfo
from keyturn.errors import ConfigurationError, CredentialsNotOffered, InvalidMember, InvalidTarget, StoreUnavailable
from keyturn.flows import IssuedCredentials
from services.fixtures import Fresh

PASSWORD = "a bicycle made of rain"
ADA = "ada@example.com"


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with Issuer.from_env(data_dir=str(tmp_path), background=False) as opened:
        yield opened


@pytest.fixture
def ada(issuer: Issuer) -> IssuedCredentials:
    return issuer.signup(ADA, PASSWORD, deliver="both")


def misuses(issuer: Any, ada: IssuedCredentials, wrong: Any) -> dict[str, Callable[[], object]]:
    sid, subject = ada.sid, ada.subject
    return {
        "verify": lambda: issuer.verify(wrong),
        "refresh": lambda: issuer.refresh(wrong),
        "introspect": lambda: issuer.introspect(wrong),
        "login": lambda: issuer.login(wrong, PASSWORD),
        "login password": lambda: issuer.login(ADA, wrong),
        "login client": lambda: issuer.login(ADA, PASSWORD, client=wrong if wrong is not None else 1),
        "login client id": lambda: issuer.login(ADA, PASSWORD, client=ClientInfo(wrong)),
        "login device": lambda: issuer.login(ADA, PASSWORD, device=wrong if wrong is not None else 1),
        "login scope": lambda: issuer.login(ADA, PASSWORD, scope=wrong),
        "login claims": lambda: issuer.login(ADA, PASSWORD, claims=wrong if wrong is not None else 1),
        "login resource": lambda: issuer.login(ADA, PASSWORD, resource=wrong if wrong is not None else [None]),
        "signup resource": lambda: issuer.signup("eve@example.com", PASSWORD, resource=[wrong]),
        "refresh resource": lambda: issuer.refresh(str(ada.refresh_token), resource=[wrong]),
        "signup": lambda: issuer.signup(wrong, PASSWORD),
        "signup password": lambda: issuer.signup("eve@example.com", wrong),
        "logout": lambda: issuer.logout(wrong),
        "sessions": lambda: issuer.sessions(wrong),
        "sessions after": lambda: issuer.sessions(subject, after=wrong),
        "step_up": lambda: issuer.step_up(wrong, PASSWORD),
        "step_up password": lambda: issuer.step_up(sid, wrong),
        "change_password": lambda: issuer.change_password(sid, wrong, PASSWORD + "2"),
        "change_password new": lambda: issuer.change_password(sid, PASSWORD, wrong),
        "revoke_subject": lambda: issuer.revoke_subject(wrong),
        "revoke_client": lambda: issuer.revoke_client(wrong),
        "set_disabled": lambda: issuer.set_disabled(wrong, True),
        "open_session": lambda: issuer.open_session(wrong),
        "open_session amr": lambda: issuer.open_session(subject, amr=[wrong]),
        "open_session replaces": lambda: issuer.open_session(subject, replaces=[wrong]),
        "logout_others": lambda: issuer.logout_others(wrong),
        "account": lambda: issuer.account(wrong),
        "disable": lambda: issuer.disable(wrong),
        "enable": lambda: issuer.enable(identifier=wrong),
        "set_scope": lambda: issuer.set_scope(wrong, ""),
        "set_scope scope": lambda: issuer.set_scope(subject, wrong),
        "set_disabled flag": lambda: issuer.set_disabled(subject, wrong if wrong is not True else "false"),
    }


@pytest.mark.parametrize("wrong", [None, b"bytes", 7, True, 1.5], ids=repr)
def test_a_value_of_another_type_is_refused_before_it_is_stored(
    issuer: Issuer, ada: IssuedCredentials, wrong: object
) -> None:
    before = issuer.parts.store.log.sequence()
    for name, misuse in misuses(issuer, ada, wrong).items():
        with pytest.raises(TypeError, match="must be"):
            print(name, misuse())
    assert issuer.parts.store.log.sequence() == before
    assert issuer.verify(str(ada.session_token)).subject == ada.subject


def test_an_overlong_name_is_refused(fresh: Fresh, tmp_path: Path) -> None:
    chance = random.Random(7)
    longest, longer = ("".join(chr(chance.randrange(0x10000, 0x10FFFF)) for _ in range(size)) for size in (255, 256))
    with Issuer.from_env(data_dir=str(tmp_path), store=fresh("postgresql"), background=False) as issuer:
        revokes: dict[str, Any] = {"client_id": issuer.revoke_client, "subject": issuer.revoke_subject}
        for member, revoke in revokes.items():
            with pytest.raises(InvalidMember, match=member):
                revoke(longer)
            assert revoke(longest)
        with pytest.raises(InvalidMember, match="client_id"):
            issuer.signup(ADA, PASSWORD, client=ClientInfo(longer))
        assert issuer.signup(ADA, PASSWORD, client=ClientInfo(longest))


@pytest.mark.parametrize("deliver", ["", "bogus", b"tokens", 1, True])
def test_a_refresh_refuses_a_delivery_that_is_not_offered(issuer: Issuer, ada: IssuedCredentials, deliver: Any) -> None:
    with pytest.raises(CredentialsNotOffered):
        issuer.refresh(str(ada.refresh_token), deliver=deliver)


def test_a_resource_is_a_name_or_several(tmp_path: Path) -> None:
    audience = "orders, billing,orders"
    with Issuer.from_env(data_dir=str(tmp_path), background=False, audience=audience) as issuer:
        assert issuer.parts.config.audience == ("orders", "billing")
        issuer.signup(ADA, PASSWORD, resource=["orders", "billing"])
        issued = issuer.login(ADA, PASSWORD, deliver="tokens", resource=("orders", "billing"))
        assert issued.refresh_token
        narrowed = issuer.refresh(issued.refresh_token, resource="billing")
        assert narrowed.access_token
        assert issuer.introspect(narrowed.access_token)["aud"] == "billing"
        with pytest.raises(InvalidTarget):
            issuer.login(ADA, PASSWORD, resource="stock")


def test_a_closed_issuer_refuses_every_call(tmp_path: Path) -> None:
    issuer = Issuer.from_env(data_dir=str(tmp_path), background=False)
    issued = issuer.signup(ADA, PASSWORD)
    issuer.close()
    with pytest.raises(ConfigurationError, match="closed"):
        issuer.verify(str(issued.session_token))
    issuer.close()


def test_a_closed_async_issuer_refuses_every_call(tmp_path: Path) -> None:
    async def scene() -> None:
        async with AsyncIssuer.from_env(data_dir=str(tmp_path), background=False) as issuer:
            issued = await issuer.signup(ADA, PASSWORD)
            store = issuer.parts.store
        with pytest.raises(ConfigurationError, match="closed"):
            await issuer.verify(str(issued.session_token))
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.sessions.load(issued.sid)

    asyncio.run(scene())


def test_an_async_issuer_serves_one_event_loop_after_another(tmp_path: Path) -> None:
    async def opened() -> tuple[AsyncIssuer, IssuedCredentials]:
        issuer = AsyncIssuer.from_env(data_dir=str(tmp_path), background=False)
        return issuer, await issuer.signup(ADA, PASSWORD)

    issuer, issued = asyncio.run(opened())
    principal = asyncio.run(asyncio.wait_for(issuer.verify(str(issued.session_token)), 10))
    assert principal.subject == issued.subject
    asyncio.run(issuer.close())
