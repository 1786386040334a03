"""Open connections of an issuer on a real store, and every way in which a session ends."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connections.harness import eventually
from keyturn import AsyncIssuer, ClientInfo, Issuer
from keyturn.config.settings import Settings
from keyturn.connections import Connection, ConnectionEnd
from keyturn.core.types import SessionId
from keyturn.errors import TokenInvalid, TokenReused
from keyturn.flows import IssuedCredentials

PASSWORD, NEW_PASSWORD = "violet umbrella 7 o clock", "crimson umbrella 8 o clock"
ENDED = ConnectionEnd.SESSION_ENDED


class Clock:
    """The time that has passed on this machine, and what was added by hand."""

    def __init__(self, base: Callable[[], float]) -> None:
        self.base, self.added = base, 0.0

    def __call__(self) -> float:
        return self.base() + self.added


def settings(store: str, **changed: object) -> Settings:
    values: dict[str, object] = {
        "issuer": "https://auth.example.com",
        "audience": "orders",
        "store": store,
        "secret": "s3cret-" * 8,
        "service_token": "t0ken-" * 8,
        "algorithm": "EdDSA",
    }
    return Settings(**(values | changed))  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/keyturn.db"


@pytest.fixture
def auth(store: str) -> Iterator[Issuer]:
    with Issuer(settings(store)) as auth:
        yield auth


def login(auth: Issuer, client: str = "web", deliver: str = "both") -> IssuedCredentials:
    return auth.login("ada@example.com", PASSWORD, deliver=deliver, client=ClientInfo(client))  # type: ignore[arg-type]


def connect(auth: Issuer, issued: IssuedCredentials, kind: str = "session") -> Connection:
    token = issued.session_token if kind == "session" else issued.access_token
    assert token is not None
    connection = auth.connection(auth.verify(token))
    return connection.__enter__()


REVOCATIONS: dict[str, Callable[[Issuer, IssuedCredentials], object]] = {
    "logout": lambda auth, issued: auth.logout(issued.sid),
    "subject": lambda auth, issued: auth.revoke_subject(issued.subject),
    "client": lambda auth, issued: auth.revoke_client("web"),
    "everything": lambda auth, issued: auth.revoke_everything(),
    "disabled": lambda auth, issued: auth.set_disabled(issued.subject, True),
    "reused": lambda auth, issued: reuse(auth, issued),
}


def reuse(auth: Issuer, issued: IssuedCredentials) -> None:
    token: str | None = issued.refresh_token
    for _ in range(3):
        assert token is not None
        token = auth.refresh(token).refresh_token
    with pytest.raises(TokenReused):
        auth.refresh(issued.refresh_token or "")


@pytest.mark.parametrize("kind", ["session", "access"])
@pytest.mark.parametrize("how", REVOCATIONS)
def test_every_end_of_a_session_ends_its_connections(auth: Issuer, how: str, kind: str) -> None:
    auth.signup("ada@example.com", PASSWORD)
    issued = login(auth)
    connection = connect(auth, issued, kind)
    assert connection.is_open()
    REVOCATIONS[how](auth, issued)
    assert connection.wait(10) is ENDED
    assert not connection.is_open()
    assert len(auth.parts.connections) == 0


@pytest.mark.parametrize("kind", ["session", "access"])
def test_a_connection_outlives_other_sessions_and_renewals(auth: Issuer, kind: str) -> None:
    auth.signup("ada@example.com", PASSWORD)
    bob = auth.signup("bob@example.com", PASSWORD)
    kept, other = login(auth), login(auth, "tv")
    connection, ended = connect(auth, kept, kind), connect(auth, other, kind)
    auth.step_up(kept.sid, PASSWORD)
    auth.logout(other.sid)
    auth.revoke_subject(bob.subject)
    auth.revoke_client("tv")
    assert ended.wait(10) is ENDED
    auth.parts.connections.run_once()
    assert connection.is_open()
    connection.__exit__()
    assert len(auth.parts.connections) == 0


def test_a_password_change_ends_the_connections_of_other_sessions_only(auth: Issuer) -> None:
    auth.signup("ada@example.com", PASSWORD)
    kept, other = login(auth), login(auth)
    connection, token_connection, ended = connect(auth, kept), connect(auth, kept, "access"), connect(auth, other)
    auth.change_password(kept.sid, PASSWORD, NEW_PASSWORD)
    assert ended.wait(10) is ENDED
    assert token_connection.wait(10) is ENDED, "the access token is void: it has the generation before"
    assert eventually(lambda: connection.principal.generation == 1)
    assert connection.is_open()
    auth.logout(kept.sid)
    assert connection.wait(10) is ENDED


def test_a_newer_token_renews_a_token_connection(auth: Issuer) -> None:
    auth.signup("ada@example.com", PASSWORD)
    issued, other = login(auth), login(auth)
    connection = connect(auth, issued, "access")
    newer = auth.refresh(issued.refresh_token or "").access_token
    assert connection.renew(newer or "").sid == issued.sid
    for wrong in (other.access_token, issued.session_token):
        with pytest.raises(TokenInvalid):
            connection.renew(wrong or "")
    assert connection.is_open()


def test_idle_and_overall_timeouts_end_a_connection_and_use_elsewhere_keeps_it(tmp_path: Path) -> None:
    clock, monotonic = Clock(time.time), Clock(time.monotonic)
    made = settings(f"sqlite:///{tmp_path}/keyturn.db", profile="banking")
    with Issuer(made, clock=clock, monotonic=monotonic) as auth:
        auth.signup("ada@example.com", PASSWORD)
        used, idle = login(auth), login(auth)
        connection, ended = connect(auth, used), connect(auth, idle)

        def pass_time(seconds: float) -> None:
            clock.added += seconds
            monotonic.added += seconds
            for each in (connection, ended):
                # The feed was read meanwhile, as it is every few milliseconds.
                auth.parts.session_cache.mark_complete(monotonic())
                assert each.is_open() or each.end is ENDED

        session = auth.config.profile.session
        for _ in range(2):
            pass_time(session.inactivity_seconds / 2)
            used = auth.refresh(used.refresh_token or "")
        assert ended.wait(10) is ENDED
        assert connection.is_open()
        left = session.overall_seconds - session.inactivity_seconds
        while left > 0:
            pass_time(min(left, session.inactivity_seconds / 2))
            left -= session.inactivity_seconds / 2
            if left > 0:
                used = auth.refresh(used.refresh_token or "")
                assert connection.is_open()
        assert connection.wait(10) is ENDED


def test_an_issuer_that_is_closed_ends_its_connections_and_serves_new_ones_when_opened(tmp_path: Path) -> None:
    auth = Issuer(settings(f"sqlite:///{tmp_path}/keyturn.db"))
    with auth:
        issued = auth.signup("ada@example.com", PASSWORD, deliver="cookie")
        connection = connect(auth, issued)
    assert connection.wait(10) is ConnectionEnd.UNKNOWN
    with auth:
        again = connect(auth, issued)
        assert again.is_open()
        auth.logout(issued.sid)
        assert again.wait(10) is ENDED


def test_an_issuer_without_a_feed_keeps_a_connection_for_the_bound() -> None:
    monotonic = Clock(time.monotonic)
    auth = Issuer(settings("memory:"), background=False, monotonic=monotonic)
    kept, ended = (auth.signup(f"{name}@example.com", PASSWORD) for name in ("ada", "bob"))
    connection, other = connect(auth, kept), connect(auth, ended)
    auth.logout(ended.sid)
    assert other.wait(10) is ENDED
    assert connection.is_open()
    monotonic.added += auth.config.profile.token.staleness_seconds
    assert connection.wait(10) is ConnectionEnd.UNKNOWN
    auth.close()


def test_two_issuers_in_one_process_end_their_own_connections(tmp_path: Path) -> None:
    with (
        Issuer(settings(f"sqlite:///{tmp_path}/one.db")) as one,
        Issuer(settings(f"sqlite:///{tmp_path}/two.db")) as two,
    ):
        issued = [each.signup("ada@example.com", PASSWORD) for each in (one, two)]
        own, other = connect(one, issued[0]), connect(two, issued[1])
        one.revoke_everything()
        assert own.wait(10) is ENDED
        two.parts.connections.run_once()
        assert other.is_open()


def test_a_revocation_of_another_process_ends_a_connection(tmp_path: Path) -> None:
    shared = settings(f"sqlite:///{tmp_path}/keyturn.db")
    with Issuer(shared) as here, Issuer(shared) as elsewhere:
        issued = here.signup("ada@example.com", PASSWORD)
        kept = here.signup("bob@example.com", PASSWORD)
        connection, other = connect(here, issued), connect(here, kept)
        assert eventually(connection.is_open)
        elsewhere.revoke_subject(issued.subject)
        assert connection.wait(10) is ENDED
        assert other.is_open()


def test_an_async_issuer_opens_on_the_first_connection_and_ends_it() -> None:
    async def scenario() -> ConnectionEnd | None:
        async with AsyncIssuer(settings("memory:")) as auth:
            issued = await auth.signup("ada@example.com", PASSWORD, deliver="both")
            principal = await auth.verify(issued.session_token or "")
            async with auth.connection(principal) as connection:
                await auth.logout(issued.sid)
                async with asyncio.timeout(10):
                    return await connection

    assert asyncio.run(scenario()) is ENDED


def test_a_forked_worker_follows_its_own_connections(tmp_path: Path) -> None:
    auth = Issuer(settings(f"sqlite:///{tmp_path}/keyturn.db"))
    with auth:
        issued = auth.signup("ada@example.com", PASSWORD)
        inherited = connect(auth, issued)
        child = os.fork()
        if child == 0:
            try:
                own = connect(auth, issued)
                auth.logout(issued.sid)
                failed = own.wait(10) is not ENDED
            except BaseException:
                failed = True
            os._exit(failed)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert inherited.wait(10) is ENDED


def test_an_unknown_session_is_not_kept_open(auth: Issuer) -> None:
    auth.signup("ada@example.com", PASSWORD)
    principal = auth.verify(login(auth).session_token or "")._replace(sid=SessionId("AbCdEfGhIjKlMnOpQrStuA"))
    with auth.connection(principal._replace(generation=-5)) as connection:
        auth.revoke_subject(principal.subject)
        assert connection.wait(10) is ENDED
