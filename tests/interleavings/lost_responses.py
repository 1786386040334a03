"""The scenes of a lost response: a retired refresh token is answered until its successor is seen."""

from interleavings.harness import Harness
from interleavings.scenarios import Scenario, one_session, with_actors


def lost_response(harness: Harness, faulty: bool = True) -> Harness:
    """Rotate a session whose client asks again after the grace window. ``faulty``: the store fails meanwhile."""
    return one_session(harness.assume_lost_responses(faulty=faulty)).rotate("x", 1).later(31)


LOST_RESPONSES = [
    Scenario("late refresh / late refresh", lambda r: with_actors(lost_response(r), r.refresh("p"), r.refresh("q"))),
    Scenario(
        "late refresh / refresh of its successor",
        lambda r: with_actors(lost_response(r), r.refresh("p"), r.refresh("q", counter=1)),
    ),
    Scenario(
        "late refresh / access token of its successor",
        lambda r: with_actors(lost_response(r), r.refresh("p"), r.access_of_successor("q")),
    ),
    Scenario("late refresh / cookie", lambda r: with_actors(lost_response(r), r.refresh("p"), r.verify("q"))),
    Scenario("late refresh / step-up", lambda r: with_actors(lost_response(r), r.refresh("p"), r.step_up("q"))),
    Scenario("late refresh / change", lambda r: with_actors(lost_response(r), r.refresh("p"), r.change("q"))),
    Scenario("late refresh / revoke", lambda r: with_actors(lost_response(r), r.refresh("p"), r.revoke("q"))),
    Scenario(
        "late refresh / revoke subject", lambda r: with_actors(lost_response(r), r.refresh("p"), r.revoke_subject("q"))
    ),
    Scenario(
        "late refresh / late refresh / late refresh",
        lambda r: with_actors(lost_response(r), r.refresh("p"), r.refresh("q"), r.refresh("s")),
        faults=1,
    ),
    Scenario(
        "late refresh / late refresh / access token of their successor",
        lambda r: with_actors(lost_response(r), r.refresh("p"), r.refresh("q"), r.access_of_successor("s")),
        faults=1,
    ),
]

NEVER_FAILING = [
    Scenario(
        "late refresh / access token of its successor / cookie, stores that do not fail",
        lambda r: with_actors(
            lost_response(r, faulty=False), r.refresh("p"), r.access_of_successor("q"), r.verify("s")
        ),
        faults=0,
    ),
]
"""Scenes without any failure: every use is recorded."""
