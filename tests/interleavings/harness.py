"""What scenes are built on: cheap deterministic ports, a person with two sessions, and the actors of the field."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

from interleavings.explorer import LOST, Actor
from interleavings.model import Life, Spec
from interleavings.state import NoSessionCache, SystemState
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.one_time import OneTimeValue
from keyturn.core.policy import Profile, SessionPolicy, ThrottlePolicy
from keyturn.core.sealed import CredentialKind, Secrets, seal
from keyturn.core.session import ClientInfo, Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import NotFound, Refusal, TokenInvalid, Unavailable
from keyturn.flows.accounts import set_disabled
from keyturn.flows.create_session import LoginAttempt, create_session
from keyturn.flows.drive import drive
from keyturn.flows.effects import Flow, call
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.login import login
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_client, revoke_everything, revoke_session, revoke_subject
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session
from keyturn.grants import NoGrants
from keyturn.ports import AccountStore, PasswordCheck, SessionStore
from keyturn.stores.null_cache import NullSessionCache

T0 = Instant(1_000_000)
ADA, OLD, NEW, NEWER = "ada@example.com", "old password of ada", "new password of ada", "newer password of ada"
CALM = ThrottlePolicy(account_limit=100, address_limit=10_000, device_limit=100, signup_limit=1000)


def realm(throttle: ThrottlePolicy = CALM, lost_response_seconds: int = 0) -> IssuerConfig:
    session = SessionPolicy(3600, 86_400, lost_response_seconds=lost_response_seconds)
    profile = Profile("explored", session, throttle=throttle)
    return IssuerConfig("https://auth.example", ("api",), Secrets(b"explored" * 4), profile)


class Entropy:
    """Bytes that depend on who asks and at which step, and on nothing else."""

    def __init__(self, name: str, number: int = 0) -> None:
        self.name, self.number = name, number

    def token_bytes(self, size: int) -> bytes:
        self.number += 1000
        return hashlib.sha256(f"{self.name}/{self.number}".encode()).digest()[:size]


class Hasher:
    """A hasher without hashing, which is not explored. An ``old:`` hash matches and is outdated."""

    def hash(self, password: str) -> str:
        return "new:" + password

    def verify(self, encoded: str | None, password: str, identifier: str = "") -> PasswordCheck:
        age, _, held = (encoded or "none:").partition(":")
        return PasswordCheck(age != "none" and held == password, needs_rehash=age == "old")


class Signer:
    """Claims in plain text: signing is not explored."""

    def sign(self, claims: dict[str, object], now: Instant, typ: str = "at+jwt") -> str:
        return "jws:" + json.dumps(claims, sort_keys=True)

    def verify(self, token: str, now: Instant) -> Any:
        if not token.startswith("jws:"):
            raise TokenInvalid("not ours")
        absent = {"nbf": 0, "scope": "", "amr": (), "aud_limited": False, "rot": None, "own_claims": {}}
        return SimpleNamespace(**{**absent, **json.loads(token[4:])})


class NullPort:
    """A password rule that accepts everything, and an audit log that discards its events."""

    def validate(self, password: str, identifier: str) -> None:
        return None

    def append(self, event: object) -> None:
        return None


def ports_of(state: SystemState, process: str, name: str, number: int = 0, **others: Any) -> Any:
    session_cache, cache = (
        state.session_caches.get(process, NoSessionCache()),
        state.session_caches.get("cache", NullSessionCache()),
    )
    return make_test_ports(
        state.store, session_cache=session_cache, shared_cache=cache, entropy=Entropy(name, number), **others
    )


def make_test_ports(store: Any, **others: Any) -> Any:
    """Ports over any store, sync or async; all but the store is cheap."""
    free = NullPort()
    ports = {
        "sessions": store.sessions,
        "accounts": store.accounts,
        "throttles": store.throttles,
        "log": store.log,
        "audit": free,
        "one_time": store.one_time,
        "hasher": Hasher(),
        "passwords": free,
        "signer": Signer(),
        "session_cache": NoSessionCache(),
        "shared_cache": NullSessionCache(),
        "entropy": secrets,
        "grants": NoGrants(),
    }
    return SimpleNamespace(**{**ports, **others})


def credentials(issued: IssuedCredentials) -> dict[str, str]:
    tokens = {"session": issued.session_token, "refresh": issued.refresh_token, "access": issued.access_token}
    return {kind: token.reveal() for kind, token in tokens.items() if token}


@dataclass
class Harness:
    """A person, her sessions ``x`` (and ``y``), and everything needed to act on them.

    ``now``: when actors act. ``number``: harnesses of different numbers share only global records, so that
    one database serves them all.
    """

    realm: IssuerConfig = field(default_factory=realm)
    state: SystemState = field(default_factory=SystemState)
    now: Instant = T0
    names: dict[str, str] = field(default_factory=dict)
    issued: dict[str, IssuedCredentials] = field(default_factory=dict)
    rotated: dict[str, IssuedCredentials] = field(default_factory=dict)
    spec: Spec = field(default_factory=lambda: Spec(OLD, ()))
    number: int = 0

    def run(self, flow: Flow[Any], name: str) -> Any:
        return drive(flow, self.ports(next(iter(self.state.session_caches)), name))

    def ports(self, process: str, name: str, number: int = 0) -> Any:
        return ports_of(self.state, process, f"{self.number}/{name}", number)

    def attempt(self, password: str, device: str | None = None) -> LoginAttempt:
        address = IPv4Address("10.0.0.0") + self.number
        trying = attempt(password, device)
        return replace(trying, identifier=self.identifier, client=ClientInfo(address=str(address)))

    @property
    def identifier(self) -> str:
        return f"{self.number}.{ADA}"

    def sign_up(self) -> "Harness":
        issued = self.run(signup(self.attempt(OLD), self.now, self.realm), "x")
        return self.add_session("x", issued)

    def log_in(self, name: str) -> "Harness":
        return self.add_session(name, self.run(login(self.attempt(OLD), self.now, self.realm), name))

    def add_session(self, name: str, issued: IssuedCredentials) -> "Harness":
        self.names[issued.session.sid] = name
        self.issued[name] = issued
        self.spec = self.spec.put(name, Life())
        return self

    def rotate(self, name: str, times: int) -> "Harness":
        for turn in range(times):
            text = self.token(name, "refresh", turn)
            self.rotated[name] = self.run(refresh(text, "tokens", self.now, self.realm), f"{name}{turn}")
        self.spec = self.spec.put(name, replace(self.spec.life(name), rotations=times, unseen=self.spec.lost))
        return self

    def assume_lost_responses(self, *, faulty: bool) -> "Harness":
        self.realm = realm(lost_response_seconds=3000)
        self.spec = replace(self.spec, lost=True, faulty=faulty)
        return self

    def later(self, seconds: int) -> "Harness":
        self.now = Instant(self.now + seconds)
        slack = seconds <= self.realm.profile.session.grace_seconds
        for name, life in self.spec.lives:
            self.spec = self.spec.put(name, replace(life, slack=slack))
        return self

    @property
    def subject(self) -> Any:
        return self.issued["x"].session.subject

    def sid(self, name: str) -> SessionId:
        return self.issued[name].session.sid

    def token(self, name: str, kind: str, counter: int) -> str:
        session = self.issued[name].session
        return seal(CredentialKind(kind), session.sid, counter, session.seed, self.realm.secrets).reveal()

    # --- actors ---------------------------------------------------------------------------------------------

    def actor(self, name: str, op: tuple[Any, ...], start: Callable[[], Flow[Any]], process: str = "a") -> Actor:
        return Actor(name, start, op, outcome, process)

    def refresh(self, name: str, session: str = "x", counter: int = 0) -> Actor:
        text = self.token(session, "refresh", counter)
        start = lambda: refresh(text, "tokens", self.now, self.realm)  # noqa: E731 - a flow not yet begun
        return self.actor(name, ("refresh", session, counter), start)

    def verify(self, name: str, session: str = "x", counter: int = 0, process: str = "a") -> Actor:
        text = self.token(session, "session", counter)
        return self.actor(
            name, ("verify", session, counter), lambda: verify_session(text, self.now, self.realm), process
        )

    def access(self, name: str, session: str = "x", process: str = "a") -> Actor:
        text = credentials(self.issued[session])["access"]
        return self.actor(name, ("access", session, 0), lambda: verify_access(text, self.now, self.realm), process)

    def access_of_successor(self, name: str, session: str = "x") -> Actor:
        """Present the access token issued with the newest refresh token, after ``rotate``."""
        issued = self.rotated[session]
        text = credentials(issued)["access"]
        op = ("access", session, issued.session.rotations)
        return self.actor(name, op, lambda: verify_access(text, self.now, self.realm))

    def revoke(self, name: str, session: str = "x", process: str = "a") -> Actor:
        start = lambda: revoke_session(self.sid(session), "logout", self.now, self.realm)  # noqa: E731
        return self.actor(name, ("revoke", session), start, process)

    def revoke_subject(self, name: str, process: str = "a") -> Actor:
        return self.actor(name, ("revoke_all",), lambda: revoke_subject(self.subject, self.now, self.realm), process)

    def revoke_everything(self, name: str, process: str = "a") -> Actor:
        return self.actor(name, ("revoke_all",), lambda: revoke_everything(self.now, self.realm), process)

    def revoke_client(self, name: str) -> Actor:
        return self.actor(name, ("revoke_all",), lambda: revoke_client("default", self.now, self.realm))

    def disable(self, name: str) -> Actor:
        return self.actor(name, ("disable",), self._disable)

    def _disable(self) -> Flow[Any]:
        account = yield from call(AccountStore.find, self.identifier)
        if account is None:
            raise NotFound("nobody is called so")
        return (yield from set_disabled(account.subject, True, self.now, self.realm))

    def login(self, name: str, password: str = OLD, known: bool = False) -> Actor:
        """``known``: from a device that logged in before, which is counted in one bucket instead of two."""
        token = self.issued["x"].device_token if known else None
        trying = self.attempt(password, token.reveal() if token else None)
        return self.actor(name, ("login", password), lambda: login(trying, self.now, self.realm))

    def signup(self, name: str) -> Actor:
        return self.actor(name, ("signup", OLD), lambda: signup(self.attempt(OLD), self.now, self.realm))

    def change(self, name: str, session: str = "x", current: str = OLD, new: str = NEW, process: str = "a") -> Actor:
        start = lambda: change_password(self.sid(session), current, new, "both", self.now, self.realm)  # noqa: E731
        return self.actor(name, ("change", session, current, new), start, process)

    def step_up(self, name: str, session: str = "x", password: str = OLD, process: str = "a") -> Actor:
        start = lambda: confirm_password(self.sid(session), password, "both", self.now, self.realm)  # noqa: E731
        return self.actor(name, ("step_up", session, password), start, process)


def attempt(password: str, device: str | None = None) -> LoginAttempt:
    client = ClientInfo(address="192.0.2.1")
    return LoginAttempt(ADA, password, deliver="both", client=client, device_token=device)


def session_maker(attempt: LoginAttempt, now: Instant, realm: IssuerConfig) -> Callable[[OneTimeValue], Flow[Session]]:
    """Return a maker of sessions for ``exchange_one_time``."""

    def make(value: OneTimeValue) -> Flow[Session]:
        subject = Subject(value.subject)
        floor = yield from call(SessionStore.revocation_floor, subject, attempt.client.client_id)
        return (yield from create_session(subject, floor, attempt, now, realm, SessionId(value.made)))

    return make


def outcome(ending: object) -> Any:
    """Return a result as the model names it, with the issued credentials."""
    if isinstance(ending, IssuedCredentials):
        return ("ok", tuple(credentials(ending).items()))
    if isinstance(ending, Unavailable):
        return LOST
    if isinstance(ending, Refusal):
        return (type(ending).__name__, ())
    if isinstance(ending, BaseException):
        return LOST if type(ending).__name__ == "CancelledError" else (f"BROKEN {ending!r}", ())
    return ("ok", ())
