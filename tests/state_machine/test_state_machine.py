"""Long random histories on every store, sync and async, against one independent model with one clock."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from effort import effort
from interleavings.harness import CALM, make_test_ports
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import Profile, SessionPolicy, TokenPolicy
from keyturn.core.sealed import Secrets
from keyturn.core.session import ClientInfo
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import Refusal
from keyturn.flows.accounts import set_disabled
from keyturn.flows.create_session import LoginAttempt
from keyturn.flows.drive import drive, drive_async
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_client, revoke_everything, revoke_session, revoke_subject
from keyturn.flows.sessions import list_sessions
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session
from keyturn.stores.open import RedisSessions, open_async_store, open_store
from services.fixtures import Fresh, sessions_in_redis
from state_machine.model import ACCESS, GRACE, INACTIVITY, LEEWAY, OVERALL, Login, Model, Person, Token

TIMES = effort(1, 20)
EXAMPLES = {
    "memory": 100,
    "async memory": 40,
    "sqlite": 50,
    "async sqlite": 25,
    "postgresql": 40,
    "async postgresql": 25,
    "async postgresql+psycopg": 10,
    "redis": 25,
    "async redis": 12,
    "redis cluster": 12,
    "async redis cluster": 10,
}
PROFILE = Profile(
    "modelled",
    SessionPolicy(INACTIVITY, OVERALL, grace_seconds=GRACE),
    TokenPolicy(access_seconds=ACCESS, leeway_seconds=LEEWAY),
    throttle=CALM,
)
NAMES = st.sampled_from(["ada", "bob"])
PASSWORDS = st.sampled_from(["one", "two", "three"])
CLIENTS = st.sampled_from(["phone", "browser"])
BACK = st.integers(0, 5)
ENDS = ["log_out", "log_out_everywhere", "disable", "revoke_client", "revoke_everything", "purge", "roll_secret"]
JUMPS = st.sampled_from([-3, -1, 1, 5, 29, 30, 31, 59, 60, 64, 65, 66, 300, 540, 599, 600, 601])


class Door:
    """One store, and how flows are driven over it. Shared by all histories: each has an age and names of its own."""

    def __init__(self, kind: str, url: str, apart: RedisSessions | None) -> None:
        self.loop = asyncio.new_event_loop() if "async" in kind else None
        self.store: Any = (
            open_async_store(url, redis_sessions=apart) if self.loop else open_store(url, redis_sessions=apart)
        )
        self.histories = 0

    def call(self, ask: Callable[[], Any]) -> Any:
        """Call the store itself, awaited where it must be."""
        answer = ask()
        return self.loop.run_until_complete(answer) if self.loop else answer

    def run(self, flow: Any) -> Any:
        ports = make_test_ports(self.store)
        if self.loop:
            return self.loop.run_until_complete(drive_async(flow, ports))
        return drive(flow, ports)

    def close(self) -> None:
        self.call(self.store.close)
        if self.loop:
            self.loop.close()


class History(RuleBasedStateMachine):
    """What people, thieves and operators do, in any order."""

    door: Door

    @initialize(name=NAMES, password=PASSWORDS, client=CLIENTS)
    def begin(self, name: str, password: str, client: str) -> None:
        self.door.histories += 1
        self.model = Model(now=self.door.histories * 1_000_000)
        self.held: dict[str, list[Token]] = {"session": [], "refresh": [], "access": []}
        self.sign_up(name, password, client)

    # --- what it is compared by ---

    @property
    def now(self) -> Instant:
        return Instant(self.model.now)

    @property
    def realm(self) -> IssuerConfig:
        secrets = [b"%032d" % each for each in range(self.model.secret, max(-1, self.model.secret - 2), -1)]
        return IssuerConfig("https://auth.example", ("api",), Secrets(*secrets), PROFILE)

    def attempt(self, name: str, password: str, client: str) -> LoginAttempt:
        name = f"{name}.{self.door.histories}@example.com"
        return LoginAttempt(name, password, deliver="both", client=ClientInfo(client))

    def same(self, expected: str | None, flow: Any) -> Any:
        """Run ``flow``; it must end as the model said."""
        answer, said = None, None
        try:
            answer = self.door.run(flow)
        except Refusal as refusal:
            said = type(refusal).__name__
        assert said == expected
        return answer

    def hold(self, issued: IssuedCredentials | None, login: Login | None) -> None:
        """Keep the credentials handed out, for later rules to use; their numbers must be the model's."""
        if issued is None or login is None:
            return
        tokens = {"session": issued.session_token, "refresh": issued.refresh_token, "access": issued.access_token}
        numbers = {"session": login.renewals, "refresh": login.rotations}
        issued_at = max(self.model.now, login.created)
        for kind, token in tokens.items():
            if token is not None:
                text, number = token.reveal(), numbers.get(kind, 0)
                assert kind == "access" or int(text.split(".")[1]) == number
                made = Token(kind, login, number, self.model.secret, text, issued_at, login.person.generation)
                self.held[kind].append(made)

    def pick(self, kind: str, back: int) -> Token:
        """One of the credentials handed out last; ``back`` counts from the newest."""
        held = self.held[kind]
        return held[-1 - back % len(held)]

    def sid(self, login: Login) -> SessionId:
        return next(SessionId(sid) for sid, each in self.model.logins.items() if each is login)

    # --- what happens ---

    @rule(name=NAMES, password=PASSWORDS, client=CLIENTS)
    def sign_up(self, name: str, password: str, client: str) -> None:
        expected = "AccountExists" if name in self.model.people else None
        issued = self.same(expected, signup(self.attempt(name, password, client), self.now, self.realm))
        if issued is not None:
            person = self.model.people[name] = Person(issued.session.subject, password)
            self.hold(issued, self.model.open(issued.session.sid, person, client))

    @rule(name=NAMES, password=PASSWORDS, client=CLIENTS)
    def log_in(self, name: str, password: str, client: str) -> None:
        expected = self.model.enter(name, password)
        issued = self.same(expected, login(self.attempt(name, password, client), self.now, self.realm))
        if issued is not None:
            self.hold(issued, self.model.open(issued.session.sid, self.model.people[name], client))

    @rule(back=BACK)
    def refresh(self, back: int) -> None:
        token = self.pick("refresh", back)
        self.hold(
            self.same(self.model.refresh(token), refresh(token.text, "tokens", self.now, self.realm)), token.login
        )

    @rule(seconds=JUMPS, back=BACK)
    def refresh_twice(self, seconds: int, back: int) -> None:
        """Use a token again after a while, as its holder without a reply or a thief does."""
        self.refresh(0)
        self.model.now += seconds
        self.refresh(1 + back)

    @rule(back=BACK)
    def use_session(self, back: int) -> None:
        token = self.pick("session", back)
        principal = self.same(self.model.verify(token), verify_session(token.text, self.now, self.realm))
        if principal is not None:
            expected = (token.login.person.subject, token.login.authenticated)
            assert (principal.subject, principal.auth_time) == expected

    @rule(back=BACK)
    def use_access(self, back: int) -> None:
        token = self.pick("access", back)
        principal = self.same(self.model.access(token), verify_access(token.text, self.now, self.realm))
        assert principal is None or principal.subject == token.login.person.subject

    @rule(back=BACK, password=PASSWORDS)
    def step_up(self, back: int, password: str) -> None:
        held = self.pick("session", back).login
        expected = self.model.step_up(held, password)
        self.hold(self.same(expected, confirm_password(self.sid(held), password, "both", self.now, self.realm)), held)

    @rule(back=BACK, password=PASSWORDS, new=PASSWORDS)
    def change_password(self, back: int, password: str, new: str) -> None:
        held = self.pick("session", back).login
        expected = self.model.change(held, password, new)
        flow = change_password(self.sid(held), password, new, "both", self.now, self.realm)
        self.hold(self.same(expected, flow), held)

    @rule(seconds=JUMPS)
    def time_passes(self, seconds: int) -> None:
        self.model.now += seconds

    @rule(name=NAMES)
    def list_devices(self, name: str) -> None:
        if person := self.model.people.get(name):
            listed = self.same(None, list_sessions(Subject(person.subject), self.now, self.realm))
            assert {each.sid for each in listed} == self.model.alive(person.subject)

    # --- how things end; one rule, so that histories last ---

    @rule(how=st.sampled_from(ENDS), back=BACK)
    def something_ends(self, how: str, back: int) -> None:
        getattr(self, how)(self.pick("session", back).login)

    def log_out(self, held: Login) -> None:
        held.ended = True
        expected = "NotFound" if held.purged else None
        self.same(expected, revoke_session(self.sid(held), "logout", self.now, self.realm))

    def log_out_everywhere(self, held: Login) -> None:
        held.person.generation += 1
        self.same(None, revoke_subject(Subject(held.person.subject), self.now, self.realm))

    def disable(self, held: Login) -> None:
        held.person.generation += 1
        held.person.disabled = not held.person.disabled
        flow = set_disabled(Subject(held.person.subject), held.person.disabled, self.now, self.realm)
        self.same(None, flow)

    def revoke_client(self, held: Login) -> None:
        self.model.clients[held.client] = max(self.model.clients.get(held.client, 0), self.model.now + LEEWAY)
        self.same(None, revoke_client(held.client, self.now, self.realm))

    def revoke_everything(self, held: Login) -> None:
        self.model.everything = max(self.model.everything, self.model.now + LEEWAY)
        self.same(None, revoke_everything(self.now, self.realm))

    def purge(self, held: Login) -> None:
        self.model.purge()
        self.door.call(lambda: self.door.store.sessions.purge(self.now))

    def roll_secret(self, held: Login) -> None:
        self.model.secret += 1


def _url(kind: str, request: pytest.FixtureRequest) -> str:
    scheme = kind.removeprefix("async ")
    if scheme.startswith("postgresql"):
        fresh: Fresh = request.getfixturevalue("fresh")
        return fresh(scheme)
    folder: Path = request.getfixturevalue("tmp_path")
    return "memory:" if scheme == "memory" else f"sqlite:///{folder}/keyturn.db"


@pytest.fixture(params=EXAMPLES)
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    made = Door(request.param, _url(request.param, request), sessions_in_redis(request.param, request))
    yield made
    made.close()


def test_every_history_goes_as_the_model_says(door: Door, request: pytest.FixtureRequest) -> None:
    machine = type("Bound", (History,), {"door": door})
    examples = EXAMPLES[request.node.callspec.params["door"]] * TIMES
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
