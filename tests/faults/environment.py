"""Environment of the fault tests: an issuer, PostgreSQL and a service, with TCP proxies between them.

The oracle is the issuer's own acknowledgement on CLOCK_MONOTONIC, which all processes of one machine share.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from effort import effort
from faults.tcp_proxy import TcpProxy
from fleet.environment import SECRET, SERVICE_TOKEN, Service
from server_process.process import PASSWORD, ServerProcess
from services.ports import free_port
from services.postgres import Postgres

BOUND_SECONDS = 2.0
USER_COUNT = effort(5, 8)
"""A test revokes at most four users. The others must stay logged in."""
PATIENCE_SECONDS = 90.0


@dataclass
class User:
    sid: str
    access_token: str
    refresh_token: str


@dataclass
class Environment:
    """``service_proxy``: between services and the issuer; ``database_proxy``: between the issuer and PostgreSQL."""

    issuer: ServerProcess
    postgres: Postgres | None
    service_proxy: TcpProxy
    database_proxy: TcpProxy
    database_name: str = ""

    def end(self) -> None:
        """End every process, running or not."""
        self.service_proxy.close()
        self.database_proxy.close()
        self.issuer.kill() if self.issuer.process is not None and self.issuer.process.poll() is None else None
        if self.postgres is not None:
            self.postgres.remove()


@dataclass
class FaultTest:
    """One fault test: an environment, a service and logged-in users.

    ``revoked``: acknowledgement time by sid. ``unanswered``: sids whose revocation request got no success reply.
    """

    environment: Environment
    service: Service
    users: list[User] = field(default_factory=list)
    revoked: dict[str, float] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    email: str = field(default_factory=lambda: f"ada-{secrets.token_hex(4)}@example.com")

    @property
    def issuer(self) -> ServerProcess:
        return self.environment.issuer

    @property
    def service_proxy(self) -> TcpProxy:
        return self.environment.service_proxy

    @property
    def database_proxy(self) -> TcpProxy:
        return self.environment.database_proxy

    @property
    def database(self) -> Postgres:
        assert self.environment.postgres is not None
        return self.environment.postgres

    def step_issuer_clock(self, seconds: float) -> None:
        """Offset the issuer's wall clock by ``seconds``."""
        assert self.issuer.clock is not None
        self.issuer.clock.write_text(str(seconds))

    def step_database_clock(self, seconds: float) -> None:
        """Offset the clock of the database server by ``seconds``, as Keyturn's queries see it."""
        self.database.run(f"UPDATE stepped.offsets SET seconds = {seconds}", self.environment.database_name)

    def log_in(self, count: int) -> None:
        body = {"email": self.email, "password": PASSWORD, "deliver": "tokens"}
        for number in range(count):
            path = "/auth/login" if number or self.users else "/auth/signup"
            answer = httpx.post(self.issuer.url + path, json=body, timeout=30)
            assert answer.status_code in (200, 201), answer.text
            issued = answer.json()
            user = User(issued["sid"], issued["access_token"], issued["refresh_token"])
            self.users.append(user)
            self.service.watch(user.sid, user.access_token)

    def revoke(self, user: User, seconds: float = 20.0) -> bool:
        """Revoke the session of ``user``. Return True if the issuer acknowledged it."""
        try:
            answer = httpx.post(self.issuer.url + "/auth/revoke", data={"token": user.refresh_token}, timeout=seconds)
        except httpx.HTTPError:
            self.unanswered.add(user.sid)
            return False
        if answer.status_code != 200 or not answer.json()["revoked"]:
            self.unanswered.add(user.sid)
            return False
        self.revoked[user.sid] = time.monotonic()
        return True

    def wait_for_recovery(self) -> float:
        """Return the seconds until a login succeeds and the service refuses that login after its revocation."""
        began_at = time.monotonic()
        while time.monotonic() - began_at < PATIENCE_SECONDS:
            try:
                self.log_in(1)
            except (AssertionError, httpx.HTTPError):
                time.sleep(0.25)
                continue
            if self.revoke(self.users[-1]):
                break
        verdicts = self.service.has_refused(self.users[-1].sid)
        while not verdicts and time.monotonic() - began_at < PATIENCE_SECONDS:
            time.sleep(0.02)
            verdicts = self.service.has_refused(self.users[-1].sid)
        assert verdicts, "the service never heard of it"
        return time.monotonic() - began_at

    def check(self, verdicts: dict[str, Any]) -> dict[str, Any]:
        """Check the invariants against the service's ``verdicts``. Return the measured figures."""
        assert verdicts["others"] == []
        late = {
            sid: verdicts["accepted"][sid] - at - BOUND_SECONDS
            for sid, at in self.revoked.items()
            if verdicts["accepted"].get(sid, 0.0) > at + BOUND_SECONDS
        }
        assert late == {}, "accepted after the bound"
        lost = [each.sid for each in self.users if each.sid in self.revoked and self._is_active(each)]
        assert lost == [], "an acknowledged revocation is gone"
        spared = [each for each in self.users if each.sid not in self.revoked and each.sid not in self.unanswered]
        out = [each.sid for each in spared if not self._is_active(each)]
        assert out == [], "a session ended without a revocation"
        assert set(verdicts["refused"]) <= set(self.revoked) | self.unanswered
        assert set(self.revoked) <= set(verdicts["refused"]), "the service never refused what was revoked"
        return {"revocations": len(self.revoked), "checks": verdicts["checks"], "unknown": verdicts["unknown"]}

    def _is_active(self, user: User) -> bool:
        headers = {"authorization": f"Bearer {SERVICE_TOKEN}"}
        form = {"token": user.refresh_token}
        answer = httpx.post(self.issuer.url + "/auth/introspect", data=form, headers=headers, timeout=30)
        return bool(answer.json()["active"])


@contextmanager
def run_fault_test(
    folder: Path, *, postgres: bool = True, staleness_seconds: float = BOUND_SECONDS, **settings: str
) -> Iterator[FaultTest]:
    """Start an environment and log users in. ``staleness_seconds``: the bound that the service keeps."""
    environment = start_environment(folder, postgres=postgres, **settings)
    try:
        with fault_test_in(environment, staleness_seconds) as test:
            yield test
    finally:
        environment.end()


@contextmanager
def fault_test_in(environment: Environment, staleness_seconds: float = BOUND_SECONDS) -> Iterator[FaultTest]:
    """Log users in and have a service verify their tokens, in a running environment."""
    with closing(Service(environment.service_proxy.url, staleness_seconds)) as service:
        test = FaultTest(environment, service)
        test.log_in(USER_COUNT)
        yield test


class ReusableEnvironment:
    """An environment shared by consecutive tests. A failed test ends it, and the next one starts a new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._house: Environment | None = None
        self._built = 0

    @contextmanager
    def run_fault_test(self, staleness_seconds: float = BOUND_SECONDS) -> Iterator[FaultTest]:
        """Run a test like ``run_fault_test``, in the current environment."""
        environment = self._house = self._house or self._build()
        try:
            with fault_test_in(environment, staleness_seconds) as test:
                yield test
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End the current environment, if there is one."""
        if self._house is not None:
            self._house.end()
        self._house = None

    def _build(self) -> Environment:
        self._built += 1
        folder = self._folder / str(self._built)
        folder.mkdir()
        return start_environment(folder)


def start_environment(folder: Path, *, postgres: bool = True, **settings: str) -> Environment:
    """Start an issuer, its database and the TCP proxies in front of both."""
    database = Postgres() if postgres else None
    if database is not None:
        database.start()
    port = free_port()
    service_proxy, database_proxy = TcpProxy(port), TcpProxy(database.port if database is not None else port)
    url = database.database() if database is not None else ""
    if database is not None:
        make_clock_adjustable(database, _name_of(url))
    store = {"store": url.replace(f":{database.port}/", f":{database_proxy.port}/")} if database is not None else {}
    clock = folder / "clock"
    clock.write_text("0")
    named = {
        f"KEYTURN_{name.upper()}": value
        for name, value in {**_settings(service_proxy.url), **store, **settings}.items()
    }
    issuer = ServerProcess(folder / "data", settings=named, port=port, clock=clock)
    environment = Environment(issuer, database, service_proxy, database_proxy, _name_of(url))
    try:
        environment.issuer.start()
    except BaseException:
        environment.end()
        raise
    return environment


def _settings(url: str) -> dict[str, str]:
    return {
        "issuer": url,
        "audience": url,
        "secret": SECRET,
        "service_token": SERVICE_TOKEN,
        "algorithm": "ES256",
        # A reservation that cannot be released while the store is unavailable stays counted.
        "login_limit_per_account": "100",
        "revocation_staleness_seconds": str(int(BOUND_SECONDS)),
    }


def _name_of(url: str) -> str:
    return url.rpartition("/")[2]


def make_clock_adjustable(database: Postgres, name: str) -> None:
    """Shadow ``clock_timestamp()`` in a database by a function that adds an offset."""
    for statement in (
        "CREATE SCHEMA stepped",
        "CREATE TABLE stepped.offsets AS SELECT 0::float8 AS seconds",
        """CREATE FUNCTION stepped.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
        'SELECT pg_catalog.clock_timestamp() + seconds * interval ''1 second'' FROM stepped.offsets'""",
    ):
        database.run(statement, name)
    # pg_catalog comes first unless the search path names it.
    database.run(f"ALTER DATABASE {name} SET search_path = public, stepped, pg_catalog")
