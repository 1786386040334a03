"""Two flows over accounts of an application, interleaved at every step of both: nothing survives a new password.

A step is one call of the store or of a function of the application, so that a change is stopped, or crashes, between
the revocation of the sessions, the write of the application and the confirmation.
"""

from collections.abc import Callable, Generator
from typing import Any

import pytest

from flows.own_accounts import DictAccounts, own_realm
from interleavings.harness import NEW, NEWER, OLD, T0, attempt, make_test_ports
from interleavings.state import NoSessionCache
from keyturn.accounts import Login
from keyturn.accounts.calls import run_step
from keyturn.accounts.mark import Digests
from keyturn.accounts.session_cache import CheckedAccounts
from keyturn.accounts.sessions import OwnSessionStore
from keyturn.accounts.store import OwnAccountStore
from keyturn.errors import Refusal
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_session
from keyturn.stores.memory import MemoryStore

IDENTIFIER = attempt(OLD).identifier


class World:
    """An application with one account and one session of it, opened with ``OLD``."""

    def __init__(self, password_hash: str = "new:" + OLD) -> None:
        self.own, store = DictAccounts(), MemoryStore()
        self.own.rows["1"] = Login(subject="1", password_hash=password_hash, identifier=IDENTIFIER)
        self.realm = own_realm(self.own)
        self.ports = make_test_ports(store)
        checked, cache = CheckedAccounts(lambda: 0.0), NoSessionCache()
        digests = Digests(self.realm.secrets)
        accounts = OwnAccountStore(
            self.own, store.accounts, digests, checked, cache.apply_local, lambda: (T0, self.realm)
        )
        self.operations = {"accounts": accounts, "sessions": OwnSessionStore(store.sessions, accounts)}
        self.first = self.finish(self.login(OLD))

    def login(self, password: str) -> Any:
        return login(attempt(password), T0, self.realm)

    def change(self, current: str, new: str) -> Any:
        return change_password(self.first.sid, current, new, "both", T0, self.realm)

    def step_up(self, password: str) -> Any:
        return confirm_password(self.first.sid, password, "both", T0, self.realm)

    def steps(self, flow: Any) -> Generator[None, None, Any]:
        """Run ``flow``, and yield before each step of it. Return its result, or its refusal."""
        try:
            request = next(flow)
            while True:
                try:
                    value = yield from self._answer(request)
                except Refusal as refusal:
                    request = flow.throw(refusal)
                else:
                    request = flow.send(value)
        except StopIteration as stop:
            return stop.value
        except Refusal as refusal:
            return refusal

    def _answer(self, request: Any) -> Generator[None, None, Any]:
        operation = getattr(self.operations.get(request.port), request.method, None)
        if operation is None:
            yield
            return getattr(getattr(self.ports, request.port), request.method)(*request.arguments)
        steps = operation(*request.arguments)
        step = next(steps, None)
        try:
            while step is not None:
                yield
                step = steps.send(run_step(step))
        except StopIteration as stop:
            return stop.value
        raise AssertionError("an operation without a step")

    def finish(self, flow: Any) -> Any:
        return run_to_end(self.steps(flow))

    def is_live(self, issued: Any) -> bool:
        text = issued.session_token.reveal()
        return not isinstance(self.finish(verify_session(text, T0, self.realm)), Refusal)


def run_to_end(steps: Generator[None, None, Any]) -> Any:
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        return stop.value


def advance(steps: Generator[None, None, Any], number: int) -> tuple[bool, Any]:
    """Run ``number`` steps. Return True and the result if it ended."""
    try:
        for _ in range(number):
            next(steps)
    except StopIteration as stop:
        return True, stop.value
    return False, None


def explore(
    make: Callable[[], World],
    first: Callable[[World], Any],
    second: Callable[[World], Any],
    check: Callable[[World, Any, Any], None],
    *,
    crash: bool = False,
) -> int:
    """Run ``first`` for i steps, ``second`` for j steps, then both to the end (or no more of ``first``, a crash)."""
    runs, i = 0, 0
    while True:
        j, is_first_over = 0, False
        while True:
            world = make()
            one, two = world.steps(first(world)), world.steps(second(world))
            is_first_over, result = advance(one, i)
            is_second_over, other = advance(two, j)
            if not is_first_over and not crash:
                result = run_to_end(one)
            if not is_second_over:
                other = run_to_end(two)
            check(world, result, other)
            runs += 1
            if is_second_over or crash:
                break
            j += 1
        if is_first_over:
            return runs
        i += 1


def check_sessions(world: World, *results: Any) -> None:
    """Require that a session which another password than the present one opened is over."""
    present = str(world.own.rows["1"].password_hash)
    for issued, password in (result for result in results if result[0] is not None):
        if not isinstance(issued, Refusal) and present != f"new:{password}":
            assert not world.is_live(issued), (password, present)
    accepted = [each for each in (OLD, NEW, NEWER) if not isinstance(world.finish(world.login(each)), Refusal)]
    assert [f"new:{each}" for each in accepted] == [present]


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["login", "step_up", "login with the new password"])
def test_no_session_of_the_old_password_survives_its_change(name: str, reverse: bool, crash: bool) -> None:
    others: dict[str, tuple[Callable[[World], Any], str]] = {
        "login": (lambda world: world.login(OLD), OLD),
        "step_up": (lambda world: world.step_up(OLD), OLD),
        "login with the new password": (lambda world: world.login(NEW), NEW),
    }
    other, password = others[name]

    def check(world: World, one: Any, two: Any) -> None:
        changed, opened = (two, one) if reverse else (one, two)
        check_sessions(world, (changed, NEW), (opened, password), (world.first, OLD))

    pair: list[Callable[[World], Any]] = [lambda world: world.change(OLD, NEW), other]
    assert explore(World, *(pair[::-1] if reverse else pair), check, crash=crash) > 10


def test_of_two_changes_one_wins_and_ends_the_sessions_of_the_other() -> None:
    def check(world: World, one: Any, two: Any) -> None:
        check_sessions(world, (one, NEW), (two, NEWER), (world.first, OLD))

    explore(World, lambda world: world.change(OLD, NEW), lambda world: world.change(OLD, NEWER), check)


def test_upgrades_of_two_logins_end_nothing() -> None:
    def check(world: World, one: Any, two: Any) -> None:
        assert world.own.rows["1"].password_hash == "new:" + OLD
        assert all(world.is_live(each) for each in (one, two, world.first))

    explore(outdated_world, lambda world: world.login(OLD), lambda world: world.login(OLD), check)


def outdated_world() -> World:
    """Return a world whose session was opened by an upgrade, and whose hash is the outdated one again."""
    world = World("old:" + OLD)
    assert world.own.rows["1"].password_hash == "new:" + OLD
    world.own.store("1", password_hash="old:" + OLD)
    return world


def test_a_change_by_the_application_ends_what_a_login_opens_meanwhile() -> None:
    def check(world: World, opened: Any, _: Any) -> None:
        check_sessions(world, (opened, OLD), (world.first, OLD))

    def change_row(world: World) -> Any:
        world.own.store("1", password_hash="new:" + NEW)
        return world.login(NEW)

    explore(World, lambda world: world.login(OLD), change_row, check)
