"""Logins at once keep within the limit of sessions, under every schedule and beside failures, and on real stores."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier
from typing import Any, cast

import pytest

from interleavings.explorer import LOST, Explorer, Node, Report
from interleavings.harness import OLD, T0, Harness, attempt, make_test_ports, ports_of, realm
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import SessionLimitAction
from keyturn.core.session import Session
from keyturn.core.session_limit import login_order
from keyturn.core.types import Instant
from keyturn.errors import TooManySessions
from keyturn.flows.create_session import SessionRequest
from keyturn.flows.drive import drive
from keyturn.flows.login import login
from keyturn.flows.open_session import open_session
from keyturn.flows.sessions import load_live_sessions
from keyturn.flows.signup import signup
from keyturn.stores.open import RedisSessions, open_async_store, open_store
from keyturn.testing.blocking import Blocking


def limited(limit: int, action: SessionLimitAction) -> IssuerConfig:
    config = realm()
    session = replace(config.profile.session, session_limit=limit, session_limit_action=action)
    return replace(config, profile=replace(config.profile, session=session))


class Judge:
    """Judges the endings of logins. ``most``: most sessions that were live at an ending."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.policy = harness.realm.profile.session
        self.most = 0
        self.judged: dict[int, list[str]] = {}

    def __call__(self, explorer: Explorer, node: Node) -> list[str]:
        outcomes = [explorer.outcome(place) for place in node.at]
        lost = sum(each == LOST for each in outcomes)
        explorer.state.restore(explorer.worlds.values[node.state])
        sessions = {each.session.sid: each.session for each in self._live(explorer)}
        self.most = max(self.most, len(sessions))
        complaints = []
        if len(sessions) > self.policy.session_limit + lost:
            complaints.append(f"{len(sessions)} sessions are live after {outcomes}")
        if not lost and len(sessions) < self.policy.session_limit and self.policy.session_limit_action == "end_oldest":
            complaints.append(f"only {len(sessions)} sessions are live after {outcomes}")
        complaints += self._judge_order(explorer, node, outcomes, sessions)
        if node.state not in self.judged:
            self.judged[node.state] = self._judge_next_login(explorer)
        return complaints + self.judged[node.state]

    def _live(self, explorer: Explorer) -> list[Any]:
        flow = load_live_sessions(self.harness.subject, self.harness.now, self.harness.realm)
        return cast("list[Any]", drive(flow, ports_of(explorer.state, "", "judge")))

    def _judge_order(self, explorer: Explorer, node: Node, outcomes: list[Any], live: dict[str, Session]) -> list[str]:
        """Refuse that a session is live whose login had been answered before the login of one that was ended began."""
        sids = [self._sid(each) for each in outcomes]
        if self.policy.session_limit_action == "refuse":
            return [f"{each} was answered and ended" for each in sids if each and each not in live]
        stored = explorer.state.store.sessions._memory.sessions
        complaints = []
        for later, sid in enumerate(sids):
            for earlier, other in enumerate(sids):
                if not (sid and other and node.before[later] >> earlier & 1):
                    continue
                if login_order(stored[other]) > login_order(stored[sid]):
                    complaints.append(f"{other} was answered before {sid} began, and counts as later")
                if other in live and sid not in live:
                    complaints.append(f"{sid} was ended before {other}, which is older")
        return complaints

    def _sid(self, outcome: Any) -> str:
        return dict(outcome[1])["session"].split("_", 2)[2].split(".")[0] if outcome[0] == "ok" else ""

    def _judge_next_login(self, explorer: Explorer) -> list[str]:
        if self.policy.session_limit_action == "refuse":
            return []
        again = open_session(self.harness.subject, SessionRequest(), self.harness.now, self.harness.realm)
        issued = drive(again, ports_of(explorer.state, "", "next"))
        live = [each.session.sid for each in self._live(explorer)]
        within = len(live) == self.policy.session_limit and issued.sid in live
        return [] if within else [f"after one more login {len(live)} sessions are live"]


def explore(limit: int, action: SessionLimitAction, logins: int, faults: int) -> tuple[Report, Judge]:
    harness = Harness(limited(limit, action))
    harness.sign_up()
    request = SessionRequest(deliver="both")
    enter = partial(open_session, harness.subject, request, harness.now, harness.realm)
    actors = [harness.actor(name, ("open",), enter) for name in ("p", "q", "s")[:logins]]
    judge = Judge(harness)
    name = f"{logins} logins, {limit} sessions, {action}, {faults} failures"

    def ports(actor: Any, number: int) -> object:
        return ports_of(harness.state, actor.process, actor.name, number)

    return Explorer(name, harness.state, actors, faults, ports, lambda *_: [], judge).run(), judge


ACTIONS: tuple[SessionLimitAction, ...] = ("end_oldest", "refuse")
TEST = "tests/interleavings/test_session_limit.py::test_logins_at_once_keep_within_the_limit"


def scenes() -> Iterator[object]:
    for action in ACTIONS:
        for limit, logins, faults in ((1, 2, 2), (2, 2, 2), (2, 3, 0)):
            is_large = logins == 3 and action == "end_oldest"
            marks = (pytest.mark.long(stands_in=f"{TEST}[2 of 3, refuse]"),) if is_large else ()
            name = f"{limit} of {logins}, {action}"
            yield pytest.param(limit, action, logins, faults, marks=marks, id=name)


@pytest.mark.parametrize(("limit", "action", "logins", "faults"), list(scenes()))
def test_logins_at_once_keep_within_the_limit(
    limit: int, action: SessionLimitAction, logins: int, faults: int, reported: Callable[[Report], None]
) -> None:
    report, judge = explore(limit, action, logins, faults)
    reported(report)
    assert report.violations == []
    assert judge.most >= limit


KINDS = ["memory", "sqlite", "postgresql+psycopg", "postgresql+asyncpg", "redis"]


@pytest.fixture
def store(kind: str, url: str, redis_sessions: RedisSessions | None) -> Iterator[Any]:
    opened: Any = Blocking(open_async_store(url)) if "+" in kind else open_store(url, redis_sessions=redis_sessions)
    yield opened
    opened.close()


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_logins_in_threads_keep_within_the_limit_of_a_real_store(store: Any, action: SessionLimitAction) -> None:
    """Six threads log in together, several times, by clocks that differ by a few seconds."""
    limit, threads = 2, 6
    config, ports = limited(limit, action), make_test_ports(store)
    subject = drive(signup(attempt(OLD), T0, config), ports).subject
    barrier = Barrier(threads)

    def log_in(number: int) -> str:
        barrier.wait()
        try:
            return str(drive(login(attempt(OLD), Instant(T0 + number % 3), config), ports).sid)
        except TooManySessions:
            return ""

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(3):
            answered = [each for each in pool.map(log_in, range(threads)) if each]
            live = [each.session for each in drive(load_live_sessions(subject, T0, config), ports)]
            assert len(live) <= limit
            if action == "refuse":
                assert {each.sid for each in live} >= set(answered)
            else:
                assert len(live) == limit
                last = drive(login(attempt(OLD), Instant(T0 - 5), config), ports)
                live = [each.session for each in drive(load_live_sessions(subject, T0, config), ports)]
                assert last.sid == max(live, key=login_order).sid
