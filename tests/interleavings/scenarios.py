"""The scenes: which flows meet. Each is a person's sessions, two or three flows, and how many failures are injected."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from interleavings.explorer import Actor, Explorer, Report
from interleavings.harness import NEW, NEWER, Harness
from interleavings.model import Spec
from interleavings.oracle import Oracle, check_monotonic


@dataclass(frozen=True)
class Scenario:
    """Concurrent flows and their initial state.

    ``setup``: creates the sessions in an empty harness. ``honest``: no flow ends a session or replays a token, so every
    session must stay valid.
    """

    name: str
    setup: Callable[[Harness], tuple[Harness, list[Actor]]]
    faults: int = 2
    honest: bool = False


def explore(scenario: Scenario) -> Report:
    harness, actors = scenario.setup(Harness())
    explorer = Explorer(
        scenario.name,
        harness.state,
        actors,
        scenario.faults,
        lambda actor, number: harness.ports(actor.process, actor.name, number),
        check_monotonic,
        Oracle(harness, scenario.honest),
    )
    return explorer.run()


def one_session(harness: Harness) -> Harness:
    return harness.sign_up()


def two_sessions(harness: Harness) -> Harness:
    return one_session(harness).log_in("y")


def no_account(harness: Harness) -> Harness:
    harness.spec = Spec("", (), exists=False)
    return harness


def with_actors(harness: Harness, *actors: Actor) -> tuple[Harness, list[Actor]]:
    return harness, list(actors)


def with_outdated_hash(harness: Harness) -> Harness:
    """Her password hash was made under weaker parameters: the next login hashes it again."""
    accounts = harness.state.store.accounts
    account = accounts.load(harness.subject)
    assert account is not None
    accounts.replace(replace(account, password_hash=account.password_hash.replace("new:", "old:"), version=1))
    return harness


PAIRS = [
    Scenario("refresh / refresh", lambda r: with_actors(one_session(r), r.refresh("p"), r.refresh("q")), honest=True),
    Scenario(
        "refresh / refresh of its successor",
        lambda r: with_actors(one_session(r), r.refresh("p"), r.refresh("q", counter=1)),
    ),
    Scenario(
        "refresh / grace refresh",
        lambda r: with_actors(one_session(r).rotate("x", 1), r.refresh("p", counter=1), r.refresh("q", counter=0)),
    ),
    Scenario(
        "refresh / reuse of an older token",
        lambda r: with_actors(one_session(r).rotate("x", 2), r.refresh("p", counter=2), r.refresh("q", counter=0)),
    ),
    Scenario(
        "refresh / reuse past the grace window",
        lambda r: with_actors(
            one_session(r).rotate("x", 1).later(31), r.refresh("p", counter=1), r.refresh("q", counter=0)
        ),
    ),
    Scenario("refresh / revoke", lambda r: with_actors(one_session(r), r.refresh("p"), r.revoke("q"))),
    Scenario(
        "refresh / revoke of another session",
        lambda r: with_actors(two_sessions(r), r.refresh("p"), r.revoke("q", "y")),
    ),
    Scenario("refresh / revoke subject", lambda r: with_actors(two_sessions(r), r.refresh("p"), r.revoke_subject("q"))),
    Scenario(
        "refresh / revoke everything", lambda r: with_actors(two_sessions(r), r.refresh("p"), r.revoke_everything("q"))
    ),
    Scenario("refresh / revoke client", lambda r: with_actors(two_sessions(r), r.refresh("p"), r.revoke_client("q"))),
    Scenario("refresh / verify", lambda r: with_actors(one_session(r), r.refresh("p"), r.verify("q")), honest=True),
    Scenario(
        "touch / refresh", lambda r: with_actors(one_session(r).later(60), r.verify("p"), r.refresh("q")), honest=True
    ),
    Scenario(
        "touch / touch", lambda r: with_actors(one_session(r).later(60), r.verify("p"), r.verify("q")), honest=True
    ),
    Scenario("touch / revoke", lambda r: with_actors(one_session(r).later(60), r.verify("p"), r.revoke("q"))),
    Scenario(
        "touch / revoke subject", lambda r: with_actors(one_session(r).later(60), r.verify("p"), r.revoke_subject("q"))
    ),
    Scenario(
        "touch / step-up", lambda r: with_actors(one_session(r).later(60), r.verify("p"), r.step_up("q")), honest=True
    ),
    Scenario("revoke / revoke", lambda r: with_actors(one_session(r), r.revoke("p"), r.revoke("q"))),
    Scenario(
        "revoke subject / revoke subject",
        lambda r: with_actors(one_session(r), r.revoke_subject("p"), r.revoke_subject("q")),
    ),
    Scenario(
        "revoke / revoke everything", lambda r: with_actors(two_sessions(r), r.revoke("p"), r.revoke_everything("q"))
    ),
    Scenario("login / login", lambda r: with_actors(one_session(r), r.login("p"), r.login("q")), faults=1, honest=True),
    Scenario(
        "login / wrong login", lambda r: with_actors(one_session(r), r.login("p"), r.login("q", NEW)), honest=True
    ),
    Scenario("login / revoke subject", lambda r: with_actors(one_session(r), r.login("p"), r.revoke_subject("q"))),
    Scenario(
        "login / revoke everything", lambda r: with_actors(one_session(r), r.login("p"), r.revoke_everything("q"))
    ),
    Scenario("login / revoke client", lambda r: with_actors(one_session(r), r.login("p"), r.revoke_client("q"))),
    Scenario("login / disable", lambda r: with_actors(one_session(r), r.login("p"), r.disable("q"))),
    Scenario(
        "login that rehashes / login that rehashes",
        lambda r: with_actors(with_outdated_hash(one_session(r)), r.login("p", known=True), r.login("q", known=True)),
        1,
    ),
    Scenario(
        "login that rehashes / change",
        lambda r: with_actors(with_outdated_hash(two_sessions(r)), r.login("p"), r.change("q")),
    ),
    Scenario(
        "change / login with the old password", lambda r: with_actors(two_sessions(r), r.change("p"), r.login("q"))
    ),
    Scenario(
        "change / login with the new password", lambda r: with_actors(two_sessions(r), r.change("p"), r.login("q", NEW))
    ),
    Scenario("change / refresh", lambda r: with_actors(one_session(r), r.change("p"), r.refresh("q")), honest=True),
    Scenario(
        "change / refresh of another session",
        lambda r: with_actors(two_sessions(r), r.change("p"), r.refresh("q", "y")),
    ),
    Scenario(
        "change / change of the same session",
        lambda r: with_actors(one_session(r), r.change("p"), r.change("q", new=NEWER)),
    ),
    Scenario(
        "change / change elsewhere",
        lambda r: with_actors(two_sessions(r), r.change("p"), r.change("q", "y", new=NEWER)),
    ),
    Scenario("change / step-up", lambda r: with_actors(one_session(r), r.change("p"), r.step_up("q")), honest=True),
    Scenario("change / step-up elsewhere", lambda r: with_actors(two_sessions(r), r.change("p"), r.step_up("q", "y"))),
    Scenario("change / revoke", lambda r: with_actors(two_sessions(r), r.change("p"), r.revoke("q"))),
    Scenario("change / revoke subject", lambda r: with_actors(two_sessions(r), r.change("p"), r.revoke_subject("q"))),
    Scenario("change / disable", lambda r: with_actors(one_session(r), r.change("p"), r.disable("q"))),
    Scenario("change / verify", lambda r: with_actors(one_session(r), r.change("p"), r.verify("q")), honest=True),
    Scenario("step-up / verify", lambda r: with_actors(one_session(r), r.step_up("p"), r.verify("q")), honest=True),
    Scenario(
        "step-up / verify of the renewed",
        lambda r: with_actors(one_session(r), r.step_up("p"), r.verify("q", counter=1)),
    ),
    Scenario("step-up / step-up", lambda r: with_actors(one_session(r), r.step_up("p"), r.step_up("q")), honest=True),
    Scenario("step-up / refresh", lambda r: with_actors(one_session(r), r.step_up("p"), r.refresh("q")), honest=True),
    Scenario("step-up / revoke", lambda r: with_actors(one_session(r), r.step_up("p"), r.revoke("q"))),
    Scenario("step-up / revoke subject", lambda r: with_actors(one_session(r), r.step_up("p"), r.revoke_subject("q"))),
    Scenario("step-up / disable", lambda r: with_actors(one_session(r), r.step_up("p"), r.disable("q"))),
    Scenario("signup / disable", lambda r: with_actors(no_account(r), r.signup("p"), r.disable("q"))),
    Scenario("signup / signup", lambda r: with_actors(no_account(r), r.signup("p"), r.signup("q"))),
    Scenario("signup / login", lambda r: with_actors(no_account(r), r.signup("p"), r.login("q"))),
    Scenario("verify / revoke", lambda r: with_actors(one_session(r), r.verify("p"), r.revoke("q"))),
    Scenario("verify / disable", lambda r: with_actors(one_session(r), r.verify("p"), r.disable("q"))),
]

TRIPLES = [
    Scenario(
        "refresh / refresh / refresh",
        lambda r: with_actors(one_session(r), r.refresh("p"), r.refresh("q"), r.refresh("s")),
        faults=1,
        honest=True,
    ),
    Scenario(
        "refresh / refresh / refresh of its successor",
        lambda r: with_actors(one_session(r), r.refresh("p"), r.refresh("q"), r.refresh("s", counter=1)),
        faults=1,
    ),
    Scenario(
        "refresh / refresh / revoke",
        lambda r: with_actors(one_session(r), r.refresh("p"), r.refresh("q"), r.revoke("s")),
        1,
    ),
    Scenario(
        "refresh / revoke / verify",
        lambda r: with_actors(one_session(r), r.refresh("p"), r.revoke("q"), r.verify("s")),
        1,
    ),
    Scenario(
        "refresh / revoke subject / verify",
        lambda r: with_actors(one_session(r), r.refresh("p"), r.revoke_subject("q"), r.verify("s")),
        1,
    ),
    Scenario(
        "touch / refresh / revoke",
        lambda r: with_actors(one_session(r).later(60), r.verify("p"), r.refresh("q"), r.revoke("s")),
        1,
    ),
    Scenario(
        "refresh / reuse / verify",
        lambda r: with_actors(
            one_session(r).rotate("x", 2), r.refresh("p", counter=2), r.refresh("q", counter=0), r.verify("s")
        ),
        1,
    ),
    Scenario(
        "login / revoke subject / verify",
        lambda r: with_actors(one_session(r), r.login("p"), r.revoke_subject("q"), r.verify("s")),
        1,
    ),
    Scenario(
        "change / login with the old / login with the new",
        lambda r: with_actors(one_session(r), r.change("p"), r.login("q", known=True), r.login("s", NEW, known=True)),
        0,
    ),
    Scenario(
        "change / refresh / revoke",
        lambda r: with_actors(one_session(r), r.change("p"), r.refresh("q"), r.revoke("s")),
        1,
    ),
    Scenario(
        "change / login / refresh",
        lambda r: with_actors(two_sessions(r), r.change("p"), r.login("q"), r.refresh("s", "y")),
        0,
    ),
    Scenario(
        "change / step-up / verify",
        lambda r: with_actors(one_session(r), r.change("p"), r.step_up("q"), r.verify("s")),
        0,
    ),
    Scenario(
        "step-up / refresh / verify",
        lambda r: with_actors(one_session(r), r.step_up("p"), r.refresh("q"), r.verify("s")),
        1,
    ),
    Scenario(
        "step-up / revoke / verify",
        lambda r: with_actors(one_session(r), r.step_up("p"), r.revoke("q"), r.verify("s")),
        1,
    ),
    Scenario(
        "revoke / revoke subject / revoke everything",
        lambda r: with_actors(two_sessions(r), r.revoke("p"), r.revoke_subject("q"), r.revoke_everything("s")),
        1,
    ),
    Scenario(
        "login / login / disable",
        lambda r: with_actors(one_session(r), r.login("p", known=True), r.login("q", known=True), r.disable("s")),
        0,
    ),
]
