"""Schedules over accounts of an application, played on a real store beside a real table of the application."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Boolean, Column, Engine, MetaData, String, Table, create_engine, delete, update

from interleavings import own_accounts
from interleavings.cover import Cover, StateGraph
from interleavings.lockstep import Diverged
from interleavings.own_accounts import OwnHarness, OwnState
from interleavings.replay import APART_SECONDS, FIRST, Replayer, ReplayStats
from interleavings.scenarios import Scenario
from keyturn.accounts.sqlalchemy import SqlAlchemyAccounts
from keyturn.core.types import Instant


class SqlTable(SqlAlchemyAccounts):
    """A table ``customers`` of a database, and the statements by which the application changes it."""

    def __init__(self, engine: Engine) -> None:
        self.next_subject = ""
        columns = (Column("email", String, unique=True), Column("hashed_password", String))
        key = Column("id", String, primary_key=True, default=lambda: self.next_subject)
        table = Table("customers", MetaData(), key, *columns, Column("is_active", Boolean, default=True))
        table.metadata.create_all(engine)
        super().__init__(engine, table)

    def write_password(self, subject: str, password_hash: str) -> None:
        self._execute(update(self.table).where(self.key == subject).values(hashed_password=password_hash))

    def deactivate(self, subject: str) -> None:
        self._execute(update(self.table).where(self.key == subject).values(is_active=False))

    def delete(self, subject: str) -> None:
        self._execute(delete(self.table).where(self.key == subject))

    def _execute(self, statement: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)


class BothTables:
    """The table of a database and the dictionary, in lockstep: both are told the same, and must answer the same."""

    def __init__(self, real: SqlTable) -> None:
        self._real, self._twin = real, own_accounts.Table()
        self.normalise, self.rows = self._twin.normalise, self._twin.rows
        self.subject_of_next = ""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real, twin = getattr(self._real, name), getattr(self._twin, name)

        def call(*arguments: Any) -> Any:
            self._real.next_subject = self._twin.subject_of_next = self.subject_of_next
            said, expected = real(*arguments), twin(*arguments)
            if said != expected:
                raise Diverged(f"own.{name} says {said!r}, and not {expected!r}")
            return said

        return call


class OwnReplayer(Replayer):
    """Plays schedules on ``real``, an empty store, and on a table of the database at ``url``."""

    def __init__(self, real: Any, url: str) -> None:
        super().__init__(real)
        self.engine = create_engine(url)
        self._table = SqlTable(self.engine)

    def play_all(self, scenario: Scenario) -> ReplayStats:
        """Play schedules that together cover every transition of the store and of the table."""
        graph = StateGraph(scenario, OwnHarness(state=OwnState()))
        self.play(scenario, Cover(graph))
        assert self.played.violations or len(self.played.covered[scenario.name]) == graph.transitions
        return self.played

    def play_some(self, scenario: Scenario, count: int) -> ReplayStats:
        """Play schedules drawn at random."""
        graph = StateGraph(scenario, OwnHarness(state=OwnState()))
        self.play(scenario, graph.drawn(count, seed=1))
        return self.played

    def _blank(self) -> OwnHarness:
        number, state = self.played.schedules + 1, OwnState()
        state.store, state.own = self.both, BothTables(self._table)  # type: ignore[assignment]
        return OwnHarness(state=state, now=Instant(FIRST + number * APART_SECONDS), number=number)
