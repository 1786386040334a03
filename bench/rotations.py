"""Refresh rotations on SQLite, beside the bare UPDATE through the same client, under the same durability."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, create_engine, event, update

from bench.figures import Figure, Goal
from bench.houses import open_sessions, settings, sqlite_url, token_of
from bench.rounds import Plan, Series, Side, ratio, repeated, settled, take_turns
from keyturn import Issuer
from keyturn.core.lifecycle import rotate
from keyturn.core.sealed import Sealed
from keyturn.core.session import Session
from keyturn.flows import drive, refresh
from keyturn.stores.sql.tables import sessions

CHAPTER = "Refresh rotations on SQLite"
STORE, FLOW, SIGNED = "Keyturn, load and replace", "Keyturn, whole flow without signing", "Keyturn, whole flow, HS256"
BARE = "UPDATE through SQLAlchemy, bare"
RELOADED = "SELECT and UPDATE through SQLAlchemy, bare"
GOAL = "70% of the bare UPDATE"
ROUNDS = 2

_ROTATE = (
    update(sessions)
    .where(sessions.c.sid == bindparam("b_sid"), sessions.c.version == bindparam("b_version"))
    .values(rotations=bindparam("n"), version=bindparam("n"), rotated_at=bindparam("at"), last_seen_at=bindparam("at"))
)


def measure(plan: Plan) -> list[Figure]:
    """By the wall clock (what a caller waits, the disk included) and by CPU time."""
    with sqlite_url() as url, Issuer.open(settings(url), background=False) as issuer, settled():
        connection = _connect(url)
        sides = _sides(issuer, connection)
        wall = take_turns(sides, plan, time.perf_counter)
        cpu = take_turns(sides, plan, time.process_time)
        connection.close()
    return [_figure("rotations per second", wall), _figure("the same by CPU time", cpu)]


def _figure(work: str, costs: list[Series]) -> Figure:
    rates = [Series(each.name, [1e6 / sample for sample in each.samples]) for each in costs]
    store, flow, _, bare, _ = rates
    figure = Figure(CHAPTER, work, "1/s", rates)
    figure.goals = [
        Goal(f"{GOAL}: load and replace", ratio(store, bare), 0.70, at_most=False),
        Goal(f"{GOAL}: whole flow", ratio(flow, bare), 0.70, at_most=False),
    ]
    figure.note = "WAL, synchronous=FULL, one caller"
    return figure


def _connect(url: str) -> Connection:
    """The fastest way to call SQLAlchemy: one kept connection, autocommit, a compiled and cached statement."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=FAST"):
            connection.execute(f"PRAGMA {pragma}")

    return engine.connect()


def _sides(issuer: Issuer, connection: Connection) -> list[Side]:
    first, second, third, fourth, fifth = open_sessions(issuer.parts, 5)
    flow = _Flow(issuer, second)
    return [
        repeated(STORE, _store(issuer, first)),
        Side(FLOW, flow.work, flow.tokens),
        repeated(SIGNED, _signed(issuer, third)),
        repeated(BARE, _bare(connection, fourth)),
        repeated(RELOADED, _reloaded(connection, fifth)),
    ]


def _store(issuer: Issuer, session: Session) -> Callable[[], None]:
    port: Any = issuer.parts.ports.sessions
    policy, sid, now = issuer.parts.realm.profile.session, session.sid, issuer.parts.now()

    def rotation() -> None:
        found = port.load(sid)
        outcome = rotate(found, found.session.rotations, now, policy)
        assert port.replace(outcome.session) == 0

    return rotation


class _Flow:
    """The whole flow; a cookie is sealed in place of the tokens: all of it but the signature."""

    def __init__(self, issuer: Issuer, session: Session) -> None:
        self._parts, self._session, self._counter = issuer.parts, session, 0

    def tokens(self, count: int) -> list[str]:
        """What the client will present, made beforehand."""
        counters = range(self._counter, self._counter + count)
        self._counter += count
        return [token_of(self._session, Sealed.REFRESH, counter, self._parts) for counter in counters]

    def work(self, tokens: list[str]) -> None:
        parts, now = self._parts, self._parts.now()
        for token in tokens:
            drive(refresh(token, "cookie", now, parts.realm), parts.ports)


def _signed(issuer: Issuer, session: Session) -> Callable[[], None]:
    token = token_of(session, Sealed.REFRESH, 0, issuer.parts)

    def rotation() -> None:
        nonlocal token
        successor = issuer.refresh(token).refresh_token
        assert successor is not None
        token = successor.reveal()

    return rotation


def _bare(connection: Connection, session: Session) -> Callable[[], None]:
    number, at = 0, session.created_at

    def rotation() -> None:
        nonlocal number
        number += 1
        values = {"b_sid": session.sid, "b_version": number - 1, "n": number, "at": at}
        assert connection.execute(_ROTATE, values).rowcount == 1

    return rotation


def _reloaded(connection: Connection, session: Session) -> Callable[[], None]:
    change, question = _bare(connection, session), sessions.select().where(sessions.c.sid == bindparam("b_sid"))

    def rotation() -> None:
        assert connection.execute(question, {"b_sid": session.sid}).one()
        change()

    return rotation
