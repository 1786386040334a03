"""An issuer over PostgreSQL, a service in another process behind a cable, people; and what must hold whatever fails.

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
from faults.tcp_proxy import Cable
from fleet.environment import SECRET, SERVICE_TOKEN, Service
from server_process.process import PASSWORD, Served
from services.ports import free_port
from services.postgres import Postgres

BOUND_SECONDS = 2.0
PEOPLE = effort(5, 8)
"""Four at most are revoked in a test; whoever else there is may not be logged out."""
PATIENCE_SECONDS = 90.0


@dataclass
class Person:
    sid: str
    access_token: str
    refresh_token: str


@dataclass
class House:
    """``cable``: between services and the issuer; ``wire``: between the issuer and PostgreSQL."""

    issuer: Served
    postgres: Postgres | None
    cable: Cable
    wire: Cable

    def end(self) -> None:
        """End it, in whatever state it is."""
        self.cable.close()
        self.wire.close()
        self.issuer.kill() if self.issuer.process is not None and self.issuer.process.poll() is None else None
        if self.postgres is not None:
            self.postgres.remove()


@dataclass
class Stage:
    """A house, a service and people of its own.

    ``revoked``: per sid, when its revocation was acknowledged. ``perhaps``: asked for, and never answered.
    """

    house: House
    service: Service
    people: list[Person] = field(default_factory=list)
    revoked: dict[str, float] = field(default_factory=dict)
    perhaps: set[str] = field(default_factory=set)
    email: str = field(default_factory=lambda: f"ada-{secrets.token_hex(4)}@example.com")

    @property
    def issuer(self) -> Served:
        return self.house.issuer

    @property
    def cable(self) -> Cable:
        return self.house.cable

    @property
    def wire(self) -> Cable:
        return self.house.wire

    @property
    def database(self) -> Postgres:
        assert self.house.postgres is not None
        return self.house.postgres

    def step_issuer(self, seconds: float) -> None:
        """Have the issuer's wall clock go wrong by so much."""
        assert self.issuer.clock is not None
        self.issuer.clock.write_text(str(seconds))

    def log_in(self, count: int) -> None:
        body = {"email": self.email, "password": PASSWORD, "deliver": "tokens"}
        for number in range(count):
            path = "/auth/login" if number or self.people else "/auth/signup"
            answer = httpx.post(self.issuer.url + path, json=body, timeout=30)
            assert answer.status_code in (200, 201), answer.text
            issued = answer.json()
            person = Person(issued["sid"], issued["access_token"], issued["refresh_token"])
            self.people.append(person)
            self.service.judge(person.sid, person.access_token)

    def revoke(self, person: Person, seconds: float = 20.0) -> bool:
        """Whether it was acknowledged."""
        try:
            answer = httpx.post(self.issuer.url + "/auth/revoke", data={"token": person.refresh_token}, timeout=seconds)
        except httpx.HTTPError:
            self.perhaps.add(person.sid)
            return False
        if answer.status_code != 200 or not answer.json()["revoked"]:
            self.perhaps.add(person.sid)
            return False
        self.revoked[person.sid] = time.monotonic()
        return True

    def recovered(self) -> float:
        """Seconds until a login works and the service hears of its revocation."""
        began_at = time.monotonic()
        while time.monotonic() - began_at < PATIENCE_SECONDS:
            try:
                self.log_in(1)
            except (AssertionError, httpx.HTTPError):
                time.sleep(0.25)
                continue
            if self.revoke(self.people[-1]):
                break
        told = self.service.ask(self.people[-1].sid)
        while not told and time.monotonic() - began_at < PATIENCE_SECONDS:
            time.sleep(0.02)
            told = self.service.ask(self.people[-1].sid)
        assert told, "the service never heard of it"
        return time.monotonic() - began_at

    def judge(self, verdicts: dict[str, Any]) -> dict[str, Any]:
        """What must hold, whatever failed. Answers the figures."""
        assert verdicts["others"] == []
        late = {
            sid: verdicts["accepted"][sid] - at - BOUND_SECONDS
            for sid, at in self.revoked.items()
            if verdicts["accepted"].get(sid, 0.0) > at + BOUND_SECONDS
        }
        assert late == {}, "accepted after the bound"
        lost = [each.sid for each in self.people if each.sid in self.revoked and self._lives(each)]
        assert lost == [], "an acknowledged revocation is gone"
        spared = [each for each in self.people if each.sid not in self.revoked and each.sid not in self.perhaps]
        out = [each.sid for each in spared if not self._lives(each)]
        assert out == [], "somebody was logged out whom nobody had logged out"
        assert set(verdicts["refused"]) <= set(self.revoked) | self.perhaps
        assert set(self.revoked) <= set(verdicts["refused"]), "the service never refused what was revoked"
        return {"revocations": len(self.revoked), "checks": verdicts["checks"], "unknown": verdicts["unknown"]}

    def _lives(self, person: Person) -> bool:
        headers = {"authorization": f"Bearer {SERVICE_TOKEN}"}
        form = {"token": person.refresh_token}
        answer = httpx.post(self.issuer.url + "/auth/introspect", data=form, headers=headers, timeout=30)
        return bool(answer.json()["active"])


@contextmanager
def staged(
    folder: Path, *, postgres: bool = True, kept_seconds: float = BOUND_SECONDS, **settings: str
) -> Iterator[Stage]:
    """Everything started, some people logged in, and the service judging them. ``kept_seconds``: the bound it keeps."""
    house = housed(folder, postgres=postgres, **settings)
    try:
        with peopled(house, kept_seconds) as stage:
            yield stage
    finally:
        house.end()


@contextmanager
def peopled(house: House, kept_seconds: float = BOUND_SECONDS) -> Iterator[Stage]:
    """Some people logged in, and a service judging them."""
    with closing(Service(house.cable.url, kept_seconds)) as service:
        stage = Stage(house, service)
        stage.log_in(PEOPLE)
        yield stage


class Kept:
    """A house for one test after another, as long as each of them leaves it whole: then a new one is built."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._house: House | None = None
        self._built = 0

    @contextmanager
    def staged(self, kept_seconds: float = BOUND_SECONDS) -> Iterator[Stage]:
        """Like ``staged``, in the house that is there."""
        house = self._house = self._house or self._build()
        try:
            with peopled(house, kept_seconds) as stage:
                yield stage
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End the house, if there is one."""
        if self._house is not None:
            self._house.end()
        self._house = None

    def _build(self) -> House:
        self._built += 1
        folder = self._folder / str(self._built)
        folder.mkdir()
        return housed(folder)


def housed(folder: Path, *, postgres: bool = True, **settings: str) -> House:
    """Start an issuer, the cables that lead to it, and its database."""
    database = Postgres() if postgres else None
    if database is not None:
        database.start()
    port = free_port()
    cable, wire = Cable(port), Cable(database.port if database is not None else port)
    store = {"store": _over(wire, database)} if database is not None else {}
    clock = folder / "clock"
    clock.write_text("0")
    named = {f"KEYTURN_{name.upper()}": value for name, value in {**_given(cable.url), **store, **settings}.items()}
    house = House(Served(folder / "data", settings=named, port=port, clock=clock), database, cable, wire)
    try:
        house.issuer.start()
    except BaseException:
        house.end()
        raise
    return house


def _given(url: str) -> dict[str, str]:
    return {
        "issuer": url,
        "audience": url,
        "secret": SECRET,
        "service_token": SERVICE_TOKEN,
        "algorithm": "ES256",
        # An attempt that cannot be given back, its store being away, stays counted.
        "login_limit_per_account": "100",
        "revocation_staleness_seconds": str(int(BOUND_SECONDS)),
    }


def _over(wire: Cable, database: Postgres) -> str:
    return database.database().replace(f":{database.port}/", f":{wire.port}/")
