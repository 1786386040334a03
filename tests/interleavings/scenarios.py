"""The scenes: which flows meet. Each is a person's sessions, two or three flows, and how many failures are injected."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from interleavings.explorer import Actor, Explorer, Report
from interleavings.harness import NEW, NEWER, Rig
from interleavings.model import Spec
from interleavings.oracle import Oracle, never_backwards


@dataclass(frozen=True)
class Scene:
    """``stage``: puts the sessions into a blank rig. ``honest``: nobody here ends a session or replays a token, so
    nobody may be logged out."""

    name: str
    stage: Callable[[Rig], tuple[Rig, list[Actor]]]
    faults: int = 2
    honest: bool = False


def explore(scene: Scene) -> Report:
    rig, actors = scene.stage(Rig())
    explorer = Explorer(
        scene.name,
        rig.world,
        actors,
        scene.faults,
        lambda actor, number: rig.ports(actor.home, actor.name, number),
        never_backwards,
        Oracle(rig, scene.honest),
    )
    return explorer.run()


def one(rig: Rig) -> Rig:
    return rig.sign_up()


def two(rig: Rig) -> Rig:
    return one(rig).log_in("y")


def nobody(rig: Rig) -> Rig:
    rig.spec = Spec("", (), exists=False)
    return rig


def met(rig: Rig, *actors: Actor) -> tuple[Rig, list[Actor]]:
    return rig, list(actors)


def outdated(rig: Rig) -> Rig:
    """Her password hash was made under weaker parameters: the next login hashes it again."""
    accounts = rig.world.store.accounts
    account = accounts.load(rig.subject)
    assert account is not None
    accounts.replace(replace(account, password_hash=account.password_hash.replace("new:", "old:"), version=1))
    return rig


PAIRS = [
    Scene("refresh / refresh", lambda r: met(one(r), r.refresh("p"), r.refresh("q")), honest=True),
    Scene("refresh / refresh of its successor", lambda r: met(one(r), r.refresh("p"), r.refresh("q", counter=1))),
    Scene(
        "refresh / grace refresh",
        lambda r: met(one(r).rotate("x", 1), r.refresh("p", counter=1), r.refresh("q", counter=0)),
    ),
    Scene(
        "refresh / reuse of an older token",
        lambda r: met(one(r).rotate("x", 2), r.refresh("p", counter=2), r.refresh("q", counter=0)),
    ),
    Scene(
        "refresh / reuse past the grace window",
        lambda r: met(one(r).rotate("x", 1).later(31), r.refresh("p", counter=1), r.refresh("q", counter=0)),
    ),
    Scene("refresh / revoke", lambda r: met(one(r), r.refresh("p"), r.revoke("q"))),
    Scene("refresh / revoke of another session", lambda r: met(two(r), r.refresh("p"), r.revoke("q", "y"))),
    Scene("refresh / revoke subject", lambda r: met(two(r), r.refresh("p"), r.revoke_subject("q"))),
    Scene("refresh / revoke everything", lambda r: met(two(r), r.refresh("p"), r.revoke_everything("q"))),
    Scene("refresh / revoke client", lambda r: met(two(r), r.refresh("p"), r.revoke_client("q"))),
    Scene("refresh / verify", lambda r: met(one(r), r.refresh("p"), r.verify("q")), honest=True),
    Scene("touch / refresh", lambda r: met(one(r).later(60), r.verify("p"), r.refresh("q")), honest=True),
    Scene("touch / touch", lambda r: met(one(r).later(60), r.verify("p"), r.verify("q")), honest=True),
    Scene("touch / revoke", lambda r: met(one(r).later(60), r.verify("p"), r.revoke("q"))),
    Scene("touch / revoke subject", lambda r: met(one(r).later(60), r.verify("p"), r.revoke_subject("q"))),
    Scene("touch / step-up", lambda r: met(one(r).later(60), r.verify("p"), r.step_up("q")), honest=True),
    Scene("revoke / revoke", lambda r: met(one(r), r.revoke("p"), r.revoke("q"))),
    Scene("revoke subject / revoke subject", lambda r: met(one(r), r.revoke_subject("p"), r.revoke_subject("q"))),
    Scene("revoke / revoke everything", lambda r: met(two(r), r.revoke("p"), r.revoke_everything("q"))),
    Scene("login / login", lambda r: met(one(r), r.login("p"), r.login("q")), faults=1, honest=True),
    Scene("login / wrong login", lambda r: met(one(r), r.login("p"), r.login("q", NEW)), honest=True),
    Scene("login / revoke subject", lambda r: met(one(r), r.login("p"), r.revoke_subject("q"))),
    Scene("login / revoke everything", lambda r: met(one(r), r.login("p"), r.revoke_everything("q"))),
    Scene("login / revoke client", lambda r: met(one(r), r.login("p"), r.revoke_client("q"))),
    Scene("login / disable", lambda r: met(one(r), r.login("p"), r.disable("q"))),
    Scene(
        "login that rehashes / login that rehashes",
        lambda r: met(outdated(one(r)), r.login("p", known=True), r.login("q", known=True)),
        1,
    ),
    Scene("login that rehashes / change", lambda r: met(outdated(two(r)), r.login("p"), r.change("q"))),
    Scene("change / login with the old password", lambda r: met(two(r), r.change("p"), r.login("q"))),
    Scene("change / login with the new password", lambda r: met(two(r), r.change("p"), r.login("q", NEW))),
    Scene("change / refresh", lambda r: met(one(r), r.change("p"), r.refresh("q")), honest=True),
    Scene("change / refresh of another session", lambda r: met(two(r), r.change("p"), r.refresh("q", "y"))),
    Scene("change / change of the same session", lambda r: met(one(r), r.change("p"), r.change("q", new=NEWER))),
    Scene("change / change elsewhere", lambda r: met(two(r), r.change("p"), r.change("q", "y", new=NEWER))),
    Scene("change / step-up", lambda r: met(one(r), r.change("p"), r.step_up("q")), honest=True),
    Scene("change / step-up elsewhere", lambda r: met(two(r), r.change("p"), r.step_up("q", "y"))),
    Scene("change / revoke", lambda r: met(two(r), r.change("p"), r.revoke("q"))),
    Scene("change / revoke subject", lambda r: met(two(r), r.change("p"), r.revoke_subject("q"))),
    Scene("change / disable", lambda r: met(one(r), r.change("p"), r.disable("q"))),
    Scene("change / verify", lambda r: met(one(r), r.change("p"), r.verify("q")), honest=True),
    Scene("step-up / verify", lambda r: met(one(r), r.step_up("p"), r.verify("q")), honest=True),
    Scene("step-up / verify of the renewed", lambda r: met(one(r), r.step_up("p"), r.verify("q", counter=1))),
    Scene("step-up / step-up", lambda r: met(one(r), r.step_up("p"), r.step_up("q")), honest=True),
    Scene("step-up / refresh", lambda r: met(one(r), r.step_up("p"), r.refresh("q")), honest=True),
    Scene("step-up / revoke", lambda r: met(one(r), r.step_up("p"), r.revoke("q"))),
    Scene("step-up / revoke subject", lambda r: met(one(r), r.step_up("p"), r.revoke_subject("q"))),
    Scene("step-up / disable", lambda r: met(one(r), r.step_up("p"), r.disable("q"))),
    Scene("signup / disable", lambda r: met(nobody(r), r.signup("p"), r.disable("q"))),
    Scene("signup / signup", lambda r: met(nobody(r), r.signup("p"), r.signup("q"))),
    Scene("signup / login", lambda r: met(nobody(r), r.signup("p"), r.login("q"))),
    Scene("verify / revoke", lambda r: met(one(r), r.verify("p"), r.revoke("q"))),
    Scene("verify / disable", lambda r: met(one(r), r.verify("p"), r.disable("q"))),
]

TRIPLES = [
    Scene(
        "refresh / refresh / refresh",
        lambda r: met(one(r), r.refresh("p"), r.refresh("q"), r.refresh("s")),
        faults=1,
        honest=True,
    ),
    Scene(
        "refresh / refresh / refresh of its successor",
        lambda r: met(one(r), r.refresh("p"), r.refresh("q"), r.refresh("s", counter=1)),
        faults=1,
    ),
    Scene("refresh / refresh / revoke", lambda r: met(one(r), r.refresh("p"), r.refresh("q"), r.revoke("s")), 1),
    Scene("refresh / revoke / verify", lambda r: met(one(r), r.refresh("p"), r.revoke("q"), r.verify("s")), 1),
    Scene(
        "refresh / revoke subject / verify",
        lambda r: met(one(r), r.refresh("p"), r.revoke_subject("q"), r.verify("s")),
        1,
    ),
    Scene("touch / refresh / revoke", lambda r: met(one(r).later(60), r.verify("p"), r.refresh("q"), r.revoke("s")), 1),
    Scene(
        "refresh / reuse / verify",
        lambda r: met(one(r).rotate("x", 2), r.refresh("p", counter=2), r.refresh("q", counter=0), r.verify("s")),
        1,
    ),
    Scene(
        "login / revoke subject / verify",
        lambda r: met(one(r), r.login("p"), r.revoke_subject("q"), r.verify("s")),
        1,
    ),
    Scene(
        "change / login with the old / login with the new",
        lambda r: met(one(r), r.change("p"), r.login("q", known=True), r.login("s", NEW, known=True)),
        0,
    ),
    Scene("change / refresh / revoke", lambda r: met(one(r), r.change("p"), r.refresh("q"), r.revoke("s")), 1),
    Scene("change / login / refresh", lambda r: met(two(r), r.change("p"), r.login("q"), r.refresh("s", "y")), 0),
    Scene("change / step-up / verify", lambda r: met(one(r), r.change("p"), r.step_up("q"), r.verify("s")), 0),
    Scene("step-up / refresh / verify", lambda r: met(one(r), r.step_up("p"), r.refresh("q"), r.verify("s")), 1),
    Scene("step-up / revoke / verify", lambda r: met(one(r), r.step_up("p"), r.revoke("q"), r.verify("s")), 1),
    Scene(
        "revoke / revoke subject / revoke everything",
        lambda r: met(two(r), r.revoke("p"), r.revoke_subject("q"), r.revoke_everything("s")),
        1,
    ),
    Scene(
        "login / login / disable",
        lambda r: met(one(r), r.login("p", known=True), r.login("q", known=True), r.disable("s")),
        0,
    ),
]
