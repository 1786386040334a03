"""Accounts of an application: each call of its functions, and each call of Keyturn's store, is a step of its own.

The operations are those of ``keyturn.accounts.store``. The application's table is a dictionary, each of whose functions
is atomic, as one statement is. The marks are in the memory store, or in the model of SQL beside Redis.
"""

from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flows.own_accounts import DictAccounts
from interleavings.explorer import Actor, Explorer, Report
from interleavings.harness import NEW, NEWER, OLD, Harness, outcome, ports_of
from interleavings.oracle import Oracle, check_monotonic
from interleavings.scenarios import Scenario, with_actors
from interleavings.split_stores import ModelDatabase, SplitState, roll_back, split_accounts
from interleavings.split_stores import split as split_stores
from interleavings.state import SystemState
from keyturn.accounts.calls import Operation
from keyturn.accounts.mark import Digests
from keyturn.accounts.open import configure_accounts
from keyturn.accounts.session_cache import CheckedAccounts
from keyturn.accounts.sessions import OwnSessionStore
from keyturn.accounts.store import OwnAccountStore
from keyturn.errors import Refusal
from keyturn.flows.drive import drive
from keyturn.flows.effects import Call, Flow
from keyturn.ports import AccountStore, methods_of


class Table(DictAccounts):
    """The application's table, with statements of its own."""

    def write_password(self, subject: str, password_hash: str) -> None:
        self.store(subject, password_hash=password_hash)

    def deactivate(self, subject: str) -> None:
        self.store(subject, active=False)

    def delete(self, subject: str) -> None:
        self.rows.pop(subject, None)


class OwnState(SplitState):
    """The state with the application's table. ``database``: of the marks, whose sessions are in Redis, or empty."""

    def __init__(self, database: str = "") -> None:
        super().__init__(database)
        self.own = Table()

    def parts(self) -> tuple[Any, ...]:
        return (*super().parts(), self.own.rows)


class CallPort:
    """A port whose methods return the call of it, which the explorer makes."""

    def __init__(self, port: str, *methods: str) -> None:
        for each in methods:
            setattr(self, each, partial(_make_call, port, each))


def _make_call(port: str, method: str, *arguments: Any) -> Call:
    return Call(port, method, arguments)


@dataclass
class OwnHarness(Harness):
    """A person whose account is in the application's table, and the actors that change it there."""

    def __post_init__(self) -> None:
        assert isinstance(self.state, OwnState)
        self.state.own.subject_of_next = str(self.number)
        self.realm = configure_accounts(self.realm, self.state.own)
        self.spec = replace(self.spec, split=True, own=True)

    def run(self, flow: Flow[Any], name: str) -> Any:
        return self.run_steps(self.split(flow), name)

    def run_steps(self, steps: Flow[Any], name: str) -> Any:
        return drive(self._over_stores(steps), self.ports("a", name))

    def ports(self, process: str, name: str, number: int = 0) -> Any:
        assert isinstance(self.state, OwnState)
        name = f"{self.number}/{name}"
        return ports_of(self.state, process, name, number, own=self.state.own, sql=ModelDatabase(self.state, name))

    def operations(self) -> OwnAccountStore:
        """Return the operations, as a process that has compared no account yet has them."""
        own: Any = CallPort("own", "find", "load", "set_password", "create")
        marks: Any = CallPort("accounts", *methods_of(AccountStore))
        checked, digests = CheckedAccounts(lambda: 0.0), Digests(self.realm.secrets)
        return OwnAccountStore(own, marks, digests, checked, lambda entry: None, lambda: (self.now, self.realm))

    def split(self, flow: Flow[Any]) -> Flow[Any]:
        """Run ``flow`` with every call of an account, or that loads a session, replaced by the steps of Keyturn."""
        accounts = self.operations()
        sessions: Any = CallPort("sessions", "load")
        return _split(flow, {"accounts": accounts, "sessions": OwnSessionStore(sessions, accounts)})

    def actor(self, name: str, op: tuple[Any, ...], start: Callable[[], Flow[Any]], process: str = "a") -> Actor:
        return self._stepped(name, op, lambda: self.split(start()))

    def with_outdated_hash(self) -> "OwnHarness":
        """Her hash in the table was made under weaker parameters: the next login hashes it again."""
        self.run_steps(self._announce("old:" + OLD), "y")
        self.run_steps(self._write("write_password", "old:" + OLD), "y")
        return self

    # --- what the application does by itself ---

    def write(self, name: str, password: str = NEW) -> Actor:
        """Store another password, with one statement."""
        return self._stepped(name, ("write", password), lambda: self._write("write_password", "new:" + password))

    def deactivate(self, name: str) -> Actor:
        return self._stepped(name, ("deactivate",), lambda: self._write("deactivate"))

    def delete(self, name: str) -> Actor:
        return self._stepped(name, ("deactivate",), lambda: self._write("delete"))

    def save(self, name: str, password: str = NEW) -> Actor:
        """Store another password, and compare the account at once, as the signals of Django do."""

        def start() -> Flow[None]:
            yield from self._write("write_password", "new:" + password)
            yield from steps_of(self.operations().check(self.subject))

        return self._stepped(name, ("write", password), start)

    def upgrade(self, name: str) -> Actor:
        """Replace an outdated hash by one of the same password, as the login of Django does."""

        def start() -> Flow[None]:
            yield from self._announce("new:" + OLD)
            yield from self._write("write_password", "new:" + OLD)
            yield from steps_of(self.operations().check(self.subject))

        return self._stepped(name, ("upgrade",), start)

    def _stepped(self, name: str, op: tuple[Any, ...], start: Callable[[], Flow[Any]]) -> Actor:
        return Actor(name, lambda: self._over_stores(start()), op, outcome)

    def _over_stores(self, steps: Flow[Any]) -> Flow[Any]:
        assert isinstance(self.state, OwnState)
        return split_stores(steps, split_accounts(self.state)) if self.state.database else steps

    def _announce(self, password_hash: str) -> Flow[None]:
        yield from steps_of(self.operations().announce_upgrade(self.subject, password_hash))

    def _write(self, statement: str, *arguments: str) -> Flow[None]:
        yield Call("own", statement, (self.subject, *arguments))


def _split(flow: Flow[Any], operations: dict[str, Any]) -> Flow[Any]:
    try:
        call = next(flow)
        while True:
            operation = getattr(operations.get(call.port), call.method, None)
            try:
                answer = (yield call) if operation is None else (yield from steps_of(operation(*call.arguments)))
            except (Exception, CancelledError) as error:
                call = flow.throw(error)
            else:
                call = flow.send(answer)
    except StopIteration as stop:
        return stop.value


def steps_of(operation: Operation[Any]) -> Flow[Any]:
    """Run an operation over ``CallPort``s. A failure of a step is raised inside of it."""
    try:
        step = next(operation)
        while True:
            try:
                answer = yield step.function(*step.arguments)
            except (Exception, CancelledError) as error:
                step = operation.throw(error)
            else:
                step = operation.send(answer)
    except StopIteration as stop:
        return stop.value


class OwnOracle(Oracle):
    """The oracle, whose questions compare the account first, as every use does."""

    harness: OwnHarness

    def _lives(self, state: SystemState) -> tuple[tuple[str, bool, int, int], ...]:
        captured = state.capture()
        self.harness.run_steps(steps_of(self.harness.operations().check(self.harness.subject)), "probe")
        lives = super()._lives(state)
        state.restore(captured)
        return lives

    def _try(self, state: SystemState, start: Callable[[], Any]) -> bool:
        captured = state.capture()
        try:
            answer = self.harness.run(start(), "probe")
        except Refusal:
            return False
        else:
            return answer != {"active": False}
        finally:
            state.restore(captured)


def explore(scenario: Scenario, database: str = "") -> Report:
    state = OwnState(database)
    harness, actors = scenario.setup(OwnHarness(state=state))
    assert isinstance(harness, OwnHarness)
    return Explorer(
        f"{scenario.name}, accounts of the application{database and f', marks in {database}, sessions in Redis'}",
        state,
        actors,
        scenario.faults,
        lambda actor, number: harness.ports(actor.process, actor.name, number),
        check_monotonic,
        OwnOracle(harness, scenario.honest),
        abandon=roll_back,
    ).run()


# --- scenes -----------------------------------------------------------------------------------------------------------


def one_session(harness: Any) -> Any:
    return harness.sign_up()


def two_sessions(harness: Any) -> Any:
    return one_session(harness).log_in("y")


def outdated(harness: Any) -> Any:
    return two_sessions(harness).with_outdated_hash()


def scene(name: str, start: Callable[[Any], Any], *actors: Callable[[Any], Actor], honest: bool = False) -> Scenario:
    def setup(harness: Any) -> tuple[Harness, list[Actor]]:
        made = start(harness)
        return with_actors(made, *(each(made) for each in actors))

    return Scenario(name, setup, faults=1, honest=honest)


LARGE = (
    "change / login with the old password",
    "change / login with the new password",
    "change / disable",
    "login that rehashes / change",
    "login that rehashes / login that rehashes",
)
"""Scenes that take longer than all others, the last one longest."""

SCENES = [
    scene("change / login with the old password", two_sessions, lambda r: r.change("p"), lambda r: r.login("q")),
    scene("change / login with the new password", two_sessions, lambda r: r.change("p"), lambda r: r.login("q", NEW)),
    scene("change / refresh elsewhere", two_sessions, lambda r: r.change("p"), lambda r: r.refresh("q", "y")),
    scene("change / step-up elsewhere", two_sessions, lambda r: r.change("p"), lambda r: r.step_up("q", "y")),
    scene("change / change elsewhere", two_sessions, lambda r: r.change("p"), lambda r: r.change("q", "y", new=NEWER)),
    scene("change / write", two_sessions, lambda r: r.change("p"), lambda r: r.write("q", NEWER)),
    scene("change / deactivate", one_session, lambda r: r.change("p"), lambda r: r.deactivate("q")),
    scene("change / disable", one_session, lambda r: r.change("p"), lambda r: r.disable("q")),
    scene("write / login with the old password", two_sessions, lambda r: r.write("p"), lambda r: r.login("q")),
    scene("write / login with the new password", two_sessions, lambda r: r.write("p"), lambda r: r.login("q", NEW)),
    scene("write / refresh", one_session, lambda r: r.write("p"), lambda r: r.refresh("q")),
    scene("write / verify", one_session, lambda r: r.write("p"), lambda r: r.verify("q")),
    scene("write / step-up", one_session, lambda r: r.write("p"), lambda r: r.step_up("q")),
    scene("save / login with the old password", two_sessions, lambda r: r.save("p"), lambda r: r.login("q")),
    scene("save / login with the new password", two_sessions, lambda r: r.save("p"), lambda r: r.login("q", NEW)),
    scene("save / refresh", one_session, lambda r: r.save("p"), lambda r: r.refresh("q")),
    scene("deactivate / login", one_session, lambda r: r.deactivate("p"), lambda r: r.login("q")),
    scene("deactivate / refresh", one_session, lambda r: r.deactivate("p"), lambda r: r.refresh("q")),
    scene("delete / verify", one_session, lambda r: r.delete("p"), lambda r: r.verify("q")),
    scene("login that rehashes / change", outdated, lambda r: r.login("p"), lambda r: r.change("q")),
    scene("login that rehashes / write", outdated, lambda r: r.login("p"), lambda r: r.write("q")),
    scene("login that rehashes / refresh", outdated, lambda r: r.login("p"), lambda r: r.refresh("q"), honest=True),
    scene(
        "login that rehashes / login that rehashes",
        outdated,
        lambda r: r.login("p"),
        lambda r: r.login("q"),
        honest=True,
    ),
    scene("upgrade / refresh", outdated, lambda r: r.upgrade("p"), lambda r: r.refresh("q"), honest=True),
    scene("upgrade / login that rehashes", outdated, lambda r: r.upgrade("p"), lambda r: r.login("q"), honest=True),
    scene("upgrade / verify", outdated, lambda r: r.upgrade("p"), lambda r: r.verify("q"), honest=True),
]
