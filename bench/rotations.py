"""Refresh rotations on SQLite, beside the bare UPDATE through the same client, under the same durability."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, create_engine, event, update

from bench.figures import Figure, Goal
from bench.fixtures import open_sessions, settings, sqlite_url, token_of
from bench.sampling import Plan, Series, Side, alternate, gc_frozen, ratio, repeat
from keyturn import Issuer
from keyturn.core.rotation import rotate
from keyturn.core.sealed import CredentialKind
from keyturn.core.session import Session
from keyturn.flows import drive, refresh
from keyturn.ports import Ports
from keyturn.stores.sql.tables import sessions

CHAPTER = "Refresh rotations on SQLite"
STORE, FLOW, FLOW_SIGNED = (
    "Keyturn, load and replace",
    "Keyturn, whole flow without signing",
    "Keyturn, whole flow, HS256",
)
BARE = "the bare UPDATE"
WITH_SELECT = "a bare SELECT and UPDATE"
MEMORY_DISK = Path("/dev/shm")
WHY = "the flow also reads the session, verifies one token and issues the next; the bare UPDATE does neither"

_ROTATE = (
    update(sessions)
    .where(sessions.c.sid == bindparam("b_sid"), sessions.c.version == bindparam("b_version"))
    .values(rotations=bindparam("n"), version=bindparam("n"), rotated_at=bindparam("at"), last_seen_at=bindparam("at"))
)


def steps(plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return plan.rounds * (2 if MEMORY_DISK.is_dir() else 1)


def measure(plan: Plan) -> list[Figure]:
    """Measure on a disk, with a sync per rotation, and on a memory disk, where only the cost of the code remains."""
    disk = _figure("rotations per second", _measure(plan))
    _, flow, _, bare, _ = disk.series
    disk.goals = [
        Goal(f"70% of {BARE}: whole flow", ratio(flow, bare), 0.70, at_most=False, why=WHY),
        Goal(f"70% of {BARE}: load and replace", ratio(disk.series[0], bare), 0.70, at_most=False),
    ]
    disk.note = "WAL, synchronous=FULL, one caller"
    if not MEMORY_DISK.is_dir():
        return [disk]
    memory = _figure("the same on a disk of memory", _measure(plan, MEMORY_DISK))
    store, with_select = memory.series[0], memory.series[4]
    memory.note = f"no fsync; load and replace is {ratio(store, with_select):.2f}x the bare SELECT and UPDATE"
    return [disk, memory]


def _measure(plan: Plan, folder: Path | None = None) -> list[Series]:
    with sqlite_url(folder) as url, Issuer.open(settings(url), background=False) as issuer, gc_frozen():
        connection = _connect(url)
        try:
            return alternate(_sides(issuer, connection), plan, time.perf_counter)
        finally:
            connection.close()


def _figure(work: str, costs: list[Series]) -> Figure:
    rates = [Series(each.name, [1e6 / sample for sample in each.samples]) for each in costs]
    return Figure(CHAPTER, work, "/s", rates)


def _connect(url: str) -> Connection:
    """Connect for the fastest SQLAlchemy calls: one connection, autocommit, a compiled and cached statement."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=FAST"):
            connection.execute(f"PRAGMA {pragma}")

    return engine.connect()


def _sides(issuer: Issuer, connection: Connection) -> list[Side]:
    first, second, third, fourth, fifth = open_sessions(issuer.parts, 5)
    ports = issuer.parts.ports
    ports_without_signing = replace(ports, signer=_NoSigner())  # type: ignore[arg-type]  # it only signs
    return [
        repeat(STORE, _store(issuer, first)),
        repeat(FLOW, _flow(issuer, second, ports_without_signing)),
        repeat(FLOW_SIGNED, _flow(issuer, third, ports)),
        repeat(BARE, _bare(connection, fourth)),
        repeat(WITH_SELECT, _bare_with_select(connection, fifth)),
    ]


def _store(issuer: Issuer, session: Session) -> Callable[[], None]:
    port: Any = issuer.parts.ports.sessions
    policy, sid, now = issuer.parts.config.profile.session, session.sid, issuer.parts.now()

    def rotation() -> None:
        loaded = port.load(sid)
        outcome = rotate(loaded, loaded.session.rotations, now, policy)
        assert port.replace(outcome.session) == 0

    return rotation


def _flow(issuer: Issuer, session: Session, ports: Ports) -> Callable[[], None]:
    parts, now = issuer.parts, issuer.parts.now()
    token = token_of(session, CredentialKind.REFRESH, 0, parts)

    def rotation() -> None:
        nonlocal token
        successor = drive(refresh(token, "tokens", now, parts.config), ports).refresh_token
        assert successor is not None
        token = successor.reveal()

    return rotation


class _NoSigner:
    """Signer that does not sign, to exclude the cost of signatures."""

    def sign(self, claims: object, now: object, typ: str = "at+jwt") -> str:
        return "header.payload.signature"


def _bare(connection: Connection, session: Session) -> Callable[[], None]:
    number, at = 0, session.created_at

    def rotation() -> None:
        nonlocal number
        number += 1
        values = {"b_sid": session.sid, "b_version": number - 1, "n": number, "at": at}
        assert connection.execute(_ROTATE, values).rowcount == 1

    return rotation


def _bare_with_select(connection: Connection, session: Session) -> Callable[[], None]:
    update_row, select = _bare(connection, session), sessions.select().where(sessions.c.sid == bindparam("b_sid"))

    def rotation() -> None:
        assert connection.execute(select, {"b_sid": session.sid}).one()
        update_row()

    return rotation
