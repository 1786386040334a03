"""Accounts in SQL and sessions in Redis: each statement and each call of Redis is a step of its own.

The operations are those of ``AccountsWithRedisSessions``. The database is a model with the locks of PostgreSQL or of
SQLite; Redis is the memory store, whose methods are atomic as the scripts are.
"""

from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from interleavings.explorer import Actor, Blocked, Explorer, Report
from interleavings.harness import Harness, ports_of
from interleavings.oracle import Oracle, check_monotonic
from interleavings.scenarios import Scenario
from interleavings.state import SystemState
from keyturn.core.account import Account
from keyturn.core.revocation import GenerationIncrement, Revocation
from keyturn.core.session import Session
from keyturn.core.types import Subject
from keyturn.errors import Refusal
from keyturn.flows.drive import drive
from keyturn.flows.effects import Call, Flow
from keyturn.stores.redis.accounts import AccountsWithRedisSessions
from keyturn.stores.sql.operation import Control, ExternalCall, Result, SqlOperation, SqlStep
from keyturn.stores.sql.rows import account_to_row, row_to_account
from keyturn.stores.sql.tables import accounts as accounts_table

DATABASES = ("postgresql", "sqlite")
COLUMNS = [column.name for column in accounts_table.c]


@dataclass(frozen=True)
class Transaction:
    """An open transaction: the row that it has locked, and what it has written there."""

    locked: Subject | None = None
    written: Account | None = None


class SplitState(SystemState):
    """The state with the open transactions of the database. ``database``: whose locks it has."""

    def __init__(self, database: str) -> None:
        super().__init__()
        self.database = database
        self.transactions: dict[str, Transaction] = {}

    def parts(self) -> tuple[Any, ...]:
        return (*super().parts(), self.transactions)


class ModelDatabase:
    """The database as one connection sees it. Reads see what is committed; a statement that has to wait is blocked."""

    def __init__(self, state: SplitState, connection: str) -> None:
        self._state, self._name = state, connection
        self._accounts = state.store.accounts

    def begin(self) -> Result:
        self._wait_for_writer()
        self._state.transactions[self._name] = Transaction()
        return Result((), 0)

    def commit(self) -> None:
        transaction = self._state.transactions.pop(self._name)
        if transaction.written is not None:
            assert self._accounts.replace(transaction.written)

    def rollback(self) -> Result:
        del self._state.transactions[self._name]
        return Result((), 0)

    def call(self, external: ExternalCall) -> Result:
        return Result((external.run(),), 0)

    def execute(self, statement: Any, parameters: Any) -> Result:
        if statement.is_select:
            return self._select(parameters, locks_row=statement._for_update_arg is not None)
        account = row_to_account([parameters.get(name, parameters.get("b_subject")) for name in COLUMNS])
        self._wait_for_writer()
        if statement.is_insert:
            return Result((), int(self._accounts.insert(account)))
        return self._update(account, parameters["b_version"])

    def _select(self, parameters: Any, *, locks_row: bool) -> Result:
        by_subject = "subject" in parameters
        account = (
            self._accounts.load(parameters["subject"]) if by_subject else self._accounts.find(parameters["identifier"])
        )
        if account is None:
            return Result((), 0)
        if locks_row:
            self._lock(account.subject)
        row = account_to_row(account)
        return Result((tuple(row[name] for name in COLUMNS),), 0)

    def _update(self, account: Account, version: int) -> Result:
        self._lock(account.subject)
        stored = self._accounts.load(account.subject)
        if stored is None or stored.version != version:
            return Result((), 0)
        if self._name in self._state.transactions:
            self._state.transactions[self._name] = Transaction(account.subject, account)
        else:
            assert self._accounts.replace(account)
        return Result((), 1)

    def _lock(self, subject: Subject) -> None:
        """PostgreSQL: wait for the row. SQLite has no such locks."""
        if self._state.database == "postgresql":
            if any(each.locked == subject for each in self._others()):
                raise Blocked
            if self._name in self._state.transactions:
                self._state.transactions[self._name] = Transaction(subject)

    def _wait_for_writer(self) -> None:
        """SQLite: ``BEGIN IMMEDIATE`` and each write wait for the one writer."""
        if self._state.database == "sqlite" and self._others():
            raise Blocked

    def _others(self) -> list[Transaction]:
        return [each for name, each in self._state.transactions.items() if name != self._name]


class ModelRedis:
    """The part of ``stores.redis.sessions.Sessions`` that accounts need, as one atomic step."""

    def __init__(self, state: SystemState) -> None:
        self._state = state

    def increment_generation_and_keep(
        self, increment: GenerationIncrement, keep_session: Session | None
    ) -> Callable[[], Revocation | None]:
        return partial(self._increment, increment, keep_session)

    def _increment(self, increment: GenerationIncrement, keep_session: Session | None) -> Revocation | None:
        memory = self._state.store.sessions._memory
        if keep_session and not memory.can_keep(keep_session, increment.subject):
            return None
        entry = memory.increment_generation(increment)
        if keep_session:
            memory.sessions[keep_session.sid] = replace(keep_session, generation=entry.value)
        return entry


def split_accounts(state: SystemState) -> AccountsWithRedisSessions:
    redis: Any = ModelRedis(state)
    run: Any = lambda operation: operation()  # noqa: E731 - what ModelRedis calls an operation
    return AccountsWithRedisSessions(redis, run)


def split(flow: Flow[Any], accounts: AccountsWithRedisSessions) -> Flow[Any]:
    """Run ``flow`` with every call of its accounts replaced by the steps of the store's operation."""
    try:
        call = next(flow)
        while True:
            try:
                if call.port == "accounts":
                    answer = yield from _steps(getattr(accounts, call.method)(*call.arguments))
                else:
                    answer = yield call
            except (Exception, CancelledError) as error:
                call = flow.throw(error)
            else:
                call = flow.send(answer)
    except StopIteration as stop:
        return stop.value


def _steps(operation: SqlOperation[Any]) -> Flow[Any]:
    """Do as ``stores.sql.runner.Runner``. After a failure, the explorer rolls back: the connection is closed."""
    in_transaction = False
    try:
        step = next(operation)
        while True:
            answer = yield _call_of(step)
            in_transaction = step is Control.BEGIN or (in_transaction and step is not Control.ROLLBACK)
            step = operation.send(answer)
    except StopIteration as stop:
        if in_transaction:
            yield Call("sql", "commit")
        return stop.value


def _call_of(step: SqlStep) -> Call:
    if isinstance(step, Control):
        return Call("sql", step.value)
    return Call("sql", "call", (step,)) if isinstance(step, ExternalCall) else Call("sql", "execute", step)


def split_ports(state: SplitState, process: str, name: str, number: int = 0) -> Any:
    return ports_of(state, process, name, number, sql=ModelDatabase(state, name))


class SplitOracle(Oracle):
    """The oracle, whose questions go through the same steps."""

    def _try(self, state: SystemState, start: Callable[[], Any]) -> bool:
        assert isinstance(state, SplitState)
        captured = state.capture()
        try:
            answer = drive(split(start(), split_accounts(state)), split_ports(state, "", "probe"))
        except Refusal:
            return False
        else:
            return answer != {"active": False}
        finally:
            state.restore(captured)


def roll_back(state: SystemState, actor: Actor) -> None:
    """Close the connection of an actor that crashed, was cancelled or met an error."""
    assert isinstance(state, SplitState)
    state.transactions.pop(f"0/{actor.name}", None)


def explore(scenario: Scenario, database: str) -> Report:
    state = SplitState(database)
    harness, actors = scenario.setup(Harness(state=state))
    harness.spec = replace(harness.spec, split=True)
    accounts = split_accounts(state)

    def wrap(actor: Actor) -> Actor:
        return replace(actor, start=lambda: split(actor.start(), accounts))

    def ports(actor: Actor, number: int) -> Any:
        return split_ports(state, actor.process, f"{harness.number}/{actor.name}", number)

    oracle = SplitOracle(harness, scenario.honest)
    name = f"{scenario.name}, accounts in {database}, sessions in Redis"
    return Explorer(
        name, state, [wrap(each) for each in actors], scenario.faults, ports, check_monotonic, oracle, abandon=roll_back
    ).run()
