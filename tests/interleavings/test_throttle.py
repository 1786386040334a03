"""Parallel guesses stay within the limit under every schedule and crash; successful logins are not counted."""

from collections.abc import Callable

from effort import effort
from interleavings.explorer import LOST, Actor, Explorer, Node, Report
from interleavings.harness import NEW, Harness, ports_of, realm
from keyturn.core.policy import ThrottlePolicy
from keyturn.core.throttle import Rate

LIMIT = 2
TIGHT = ThrottlePolicy(account_limit=LIMIT, device_limit=LIMIT, address_limit=1000, signup_limit=1000)


def guesses(explorer: Explorer, node: Node) -> int:
    """How many passwords were compared on the way to this ending, by flows that answered."""
    return sum(explorer.outcome(place)[0] in ("LoginFailed", "ok") for place in node.at)


def within_the_limit(explorer: Explorer, node: Node) -> list[str]:
    said = [explorer.outcome(place)[0] for place in node.at]
    complaints = [f"unexpected {each}" for each in said if each not in ("LoginFailed", "Throttled", *LOST)]
    if guesses(explorer, node) > LIMIT:
        complaints.append(f"{guesses(explorer, node)} guesses were answered, the limit is {LIMIT}")
    return complaints


def explore(name: str, harness: Harness, actors: list[Actor], faults: int, judge: Callable[..., list[str]]) -> Report:
    def ports(actor: Actor, number: int) -> object:
        return ports_of(harness.state, actor.process, actor.name, number)

    return Explorer(name, harness.state, actors, faults, ports, lambda *_: [], judge).run()


def test_parallel_wrong_logins_stay_within_the_limit(reported: Callable[[Report], None]) -> None:
    harness = Harness(realm(TIGHT)).sign_up()
    actors = [harness.login(name, NEW) for name in ("p", "q", "s")]
    seen: set[int] = set()

    def note_and_judge(explorer: Explorer, node: Node) -> list[str]:
        seen.add(guesses(explorer, node))
        return within_the_limit(explorer, node)

    report = explore("3 wrong logins, limit 2", harness, actors, 0, note_and_judge)
    reported(report)
    assert report.violations == []
    # The limit is reached, so that it could have been exceeded.
    assert Rate(LIMIT, TIGHT.window_seconds).burst == LIMIT
    assert max(seen) == LIMIT


def test_logins_that_crash_do_not_raise_the_limit(reported: Callable[[Report], None]) -> None:
    harness = Harness(realm(TIGHT)).sign_up()
    actors = [harness.login(name, NEW, known=True) for name in ("p", "q", "s")]
    report = explore("3 wrong logins from one device, limit 2", harness, actors, effort(1, 2), within_the_limit)
    reported(report)
    assert report.violations == []


def test_parallel_wrong_step_ups_stay_within_the_limit(reported: Callable[[Report], None]) -> None:
    harness = Harness(realm(TIGHT)).sign_up()
    actors = [harness.step_up(name, "x", NEW) for name in ("p", "q", "s")]
    report = explore("3 wrong step-ups, limit 2", harness, actors, 1, within_the_limit)
    reported(report)
    assert report.violations == []


def test_logins_that_succeed_leave_no_trace_in_the_count(reported: Callable[[Report], None]) -> None:
    harness = Harness(realm(TIGHT)).sign_up()

    def no_attempt_counted(explorer: Explorer, node: Node) -> list[str]:
        explorer.state.restore(explorer.worlds.values[node.state])
        buckets = explorer.state.store.throttles._buckets
        counted = [key for key, each in buckets.items() if each.level and not key.startswith("signup")]
        return [f"{counted} still counts"] if counted else []

    report = explore(
        "2 right logins, limit 2", harness, [harness.login("p"), harness.login("q")], 0, no_attempt_counted
    )
    reported(report)
    assert report.violations == []
