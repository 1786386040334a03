"""Every flow with a fixture: one user with two sessions, on the memory store and fast ports."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from interleavings.harness import ADA, NEW, OLD, T0, Hasher, NullPort, Signer, make_test_ports, realm, session_maker
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.one_time import OneTimeKind
from keyturn.core.sealed import CredentialKind, seal
from keyturn.core.session import ClientInfo, Seed, Session
from keyturn.core.types import Instant, SessionId
from keyturn.errors import Overloaded, PasswordRejected, Refusal
from keyturn.flows.accounts import set_admin, set_disabled, set_scope
from keyturn.flows.connections import reload_principal
from keyturn.flows.create_session import LoginAttempt, SessionRequest
from keyturn.flows.csrf import csrf_token_of, verify_csrf_token
from keyturn.flows.drive import drive
from keyturn.flows.effects import Call, Flow
from keyturn.flows.end_previous_login import revoke_previous_sessions
from keyturn.flows.introspect import introspect, load_session_of_token
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.keys import add_key, roll_keys
from keyturn.flows.login import login
from keyturn.flows.logout_others import revoke_other_sessions
from keyturn.flows.one_time import exchange_one_time, put_one_time, register_proof
from keyturn.flows.open_session import open_session
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.revocation_pages import head_page, page_after, published_keys, snapshot_page
from keyturn.flows.revoke import revoke_client, revoke_everything, revoke_session, revoke_subject
from keyturn.flows.sessions import list_sessions
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session
from keyturn.ports import StoredKey
from keyturn.stores.memory import MemoryStore
from keyturn.tokens.rollover import RolloverPolicy

KEYS = RolloverPolicy(rollover_seconds=1000, publish_seconds=100, retired_seconds=50)


class RepeatableEntropy:
    """The same bytes in the same order for every fixture."""

    def __init__(self) -> None:
        self.count = 0

    def token_bytes(self, size: int) -> bytes:
        self.count += 1
        return hashlib.sha512(b"%d" % self.count).digest()[:size]


class FakeKeyGenerator:
    """Keys that are not keys."""

    def make(self, algorithm: str, serial: int, active_at: Instant) -> StoredKey:
        return StoredKey(f"kid-{serial}", algorithm, serial, active_at, b"sealed")


class PublishingSigner(Signer):
    """A signer that also publishes."""

    def jwks(self, now: Instant) -> dict[str, object]:
        return {"keys": []}


class OverloadedHasher(Hasher):
    """No room in the queue."""

    def verify(self, encoded: str | None, password: str, identifier: str = "") -> Any:
        raise Overloaded


class RejectingPolicy(NullPort):
    """No password is good enough."""

    def validate(self, password: str, identifier: str) -> None:
        raise PasswordRejected("too well known")


class FlowFixture:
    """A store, ports over it, and a person's sessions ``x`` and ``y``."""

    def __init__(self) -> None:
        self.store = MemoryStore(log=1)
        extra = {
            "keys": self.store.keys,
            "key_generator": FakeKeyGenerator(),
            "signer": PublishingSigner(),
            "entropy": RepeatableEntropy(),
        }
        self.ports = make_test_ports(self.store, **extra)
        self.realm = realm()
        self.x: IssuedCredentials = self.run(signup(self.attempt(OLD), T0, self.realm))
        self.y: IssuedCredentials = self.run(login(self.attempt(OLD), T0, self.realm))

    def attempt(self, password: str, identifier: str = ADA, **changes: Any) -> LoginAttempt:
        return LoginAttempt(
            identifier, password, client=ClientInfo(address="192.0.2.1"), **{"deliver": "both", **changes}
        )

    def answer(self, step: Call) -> Any:
        """Do what a flow asks for."""
        return getattr(getattr(self.ports, step.port), step.method)(*step.arguments)

    def run(self, flow: Flow[Any], **others: Any) -> Any:
        for name, port in others.items():
            setattr(self.ports, name, port)
        return drive(flow, self.ports)

    @property
    def sid(self) -> SessionId:
        return self.x.session.sid

    def sealed(self, kind: CredentialKind, counter: int, issued: IssuedCredentials | None = None) -> str:
        session = (issued or self.x).session
        return str(seal(kind, session.sid, counter, session.seed, self.realm.secrets).reveal())

    def put_code(self) -> str:
        subject = self.x.session.subject
        text = self.run(put_one_time(OneTimeKind.CODE, subject, b"for client", 60, T0, self.realm))
        return str(text.reveal())

    def spent_code(self) -> str:
        text = self.put_code()
        self.run(self.exchange(text))
        return text

    def exchange(self, text: str, now: Instant = T0, realm: IssuerConfig | None = None) -> Flow[Session]:
        make = session_maker(self.attempt(OLD), now, self.realm)
        return exchange_one_time(OneTimeKind.CODE, text, make, now, realm or self.realm)

    def access(self) -> str:
        assert self.x.access_token
        return str(self.x.access_token.reveal())


def refused(flows: FlowFixture, kind: type[Refusal], flow: Flow[Any], **ports: Any) -> Any:
    with pytest.raises(Refusal) as refusal:
        flows.run(flow, **ports)
    assert type(refusal.value) is kind
    return refusal.value


def later(seconds: int) -> Instant:
    return Instant(T0 + seconds)


def ended(flows: FlowFixture) -> FlowFixture:
    flows.run(revoke_session(flows.sid, "logout", T0, flows.realm))
    return flows


def forged(flows: FlowFixture, kind: CredentialKind) -> str:
    """Made with the server's secret, without the session's seed."""
    return str(seal(kind, flows.sid, 0, Seed(b"guessed"), flows.realm.secrets).reveal())


@dataclass(frozen=True)
class Case:
    """One flow as it ordinarily runs. ``secrets``: texts that must never show."""

    name: str
    start: Callable[[FlowFixture], Flow[Any]]


CASES = [
    Case("signup", lambda s: signup(s.attempt(OLD, "bob@example.com"), T0, s.realm)),
    Case("login", lambda s: login(s.attempt(OLD), T0, s.realm)),
    Case("login with a device", lambda s: login(s.attempt(OLD, device_token=s.x.device_token.reveal()), T0, s.realm)),  # type: ignore[union-attr]
    Case("wrong login", lambda s: login(s.attempt(NEW), T0, s.realm)),
    Case("verify session", lambda s: verify_session(s.sealed(CredentialKind.SESSION, 0), T0, s.realm)),
    Case("touch", lambda s: verify_session(s.sealed(CredentialKind.SESSION, 0), Instant(T0 + 60), s.realm)),
    Case("verify access", lambda s: verify_access(s.access(), T0, s.realm)),
    Case("reload a connection", lambda s: reload_principal(s.sid, T0, s.realm)),
    Case("refresh", lambda s: refresh(s.sealed(CredentialKind.REFRESH, 0), "both", T0, s.realm)),
    Case("counter ahead", lambda s: refresh(s.sealed(CredentialKind.REFRESH, 9), "both", T0, s.realm)),
    Case("step-up", lambda s: confirm_password(s.sid, OLD, "both", T0, s.realm)),
    Case("change password", lambda s: change_password(s.sid, OLD, NEW, "both", T0, s.realm)),
    Case("revoke session", lambda s: revoke_session(s.sid, "logout", T0, s.realm)),
    Case("revoke subject", lambda s: revoke_subject(s.x.session.subject, T0, s.realm)),
    Case("revoke client", lambda s: revoke_client("default", T0, s.realm)),
    Case("revoke everything", lambda s: revoke_everything(T0, s.realm)),
    Case("disable", lambda s: set_disabled(s.x.session.subject, True, T0, s.realm)),
    Case("enable", lambda s: set_disabled(s.x.session.subject, False, T0, s.realm)),
    Case("appoint an administrator", lambda s: set_admin(s.x.session.subject, True, T0, s.realm)),
    Case("set scopes", lambda s: set_scope(s.x.session.subject, "read", T0, s.realm)),
    Case("open session", lambda s: open_session(s.x.session.subject, SessionRequest(deliver="both"), T0, s.realm)),
    Case("log out others", lambda s: revoke_other_sessions(s.sid, T0, s.realm)),
    Case("list sessions", lambda s: list_sessions(s.x.session.subject, T0, s.realm)),
    Case("introspect session", lambda s: introspect(s.sealed(CredentialKind.SESSION, 0), T0, s.realm)),
    Case("introspect access", lambda s: introspect(s.access(), T0, s.realm)),
    Case("session of a token", lambda s: load_session_of_token(s.access(), T0, s.realm)),
    Case(
        "end replaced",
        lambda s: revoke_previous_sessions([s.sealed(CredentialKind.SESSION, 0, s.y)], s.sid, T0, s.realm),
    ),
    Case("csrf token", lambda s: csrf_token_of(s.sid, s.realm)),
    Case("prove csrf", lambda s: verify_csrf_token(s.sealed(CredentialKind.CSRF, 0), s.sid, s.realm)),
    Case("feed page", lambda s: page_after(0)),
    Case("seed page", lambda s: snapshot_page(0)),
    Case("end page", lambda s: head_page()),
    Case("published keys", lambda s: published_keys(T0)),
    Case("roll keys", lambda s: roll_keys("EdDSA", T0, KEYS)),
    Case("add key", lambda s: add_key("EdDSA", T0, KEYS)),
    Case("put a code", lambda s: put_one_time(OneTimeKind.CODE, s.x.session.subject, b"", 60, T0, s.realm)),
    Case("exchange a code", lambda s: s.exchange(s.put_code())),
    Case("replay a code", lambda s: s.exchange(s.spent_code())),
    Case("register a proof", lambda s: register_proof("jti", "ada", T0, T0, s.realm)),
]
