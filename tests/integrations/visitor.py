"""A visitor of one front: logs in over HTTP by the delivery of a case, and sends the credential as that case does."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from integrations.fronts.front import Front
from keyturn import AsyncIssuer, GrantRequest, Issuer
from keyturn.core.types import Subject
from keyturn.flows.accounts import set_admin
from keyturn.flows.drive import drive
from web.exchanges import HOST, JSON, NOW, PASSWORD, Answer, Sent, cheap, settings

_NUMBERS = itertools.count()
CREDENTIAL = re.compile(rb"kt_(?:session|refresh|access)_[\w.-]+|eyJ[\w-]+\.[\w-]+\.[\w-]+")
"""Session tokens, refresh tokens and access tokens. No answer may show one that an earlier answer issued."""
SAME_ORIGIN = (b"sec-fetch-site", b"same-origin")
CROSS_SITE = (b"sec-fetch-site", b"cross-site")
Pair = tuple[bytes, bytes]


class Case(NamedTuple):
    """How credentials are issued and sent. ``carrier``: the header Authorization or the Cookie header."""

    credentials: str
    carrier: str
    profile: str

    @property
    def deliver(self) -> str:
        if self.carrier == "header":
            return "tokens"
        return "token-cookies" if self.credentials == "jwt" else "cookie"

    @property
    def is_cookie(self) -> bool:
        return self.carrier == "cookie"

    @property
    def needs_csrf_token(self) -> bool:
        return self.is_cookie and self.profile == "browser-strict"


CASES = [
    Case(credentials, carrier, profile)
    for credentials, carrier in (
        ("session", "cookie"),
        ("jwt", "header"),
        ("jwt", "cookie"),
        ("hybrid", "header"),
        ("hybrid", "cookie"),
    )
    for profile in ("browser", "browser-strict")
]


class Clock:
    """Time of an issuer: of both of its clocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wall(self) -> float:
        return NOW + self.seconds

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Login:
    """Credentials of one login. ``headers``: what carries them. ``csrf``: header of the CSRF token, if it has one."""

    sid: str
    subject: str
    headers: tuple[Pair, ...]
    csrf: tuple[Pair, ...]


class Visitor:
    """Visitors of one application, whose issuer has the settings of a case.

    ``has_feed``: the feed is fresh, so that what was accepted once is accepted from a cache; else the store is asked.
    """

    def __init__(self, front: Front, case: Case, has_feed: bool) -> None:
        self.case, self.clock, self.has_feed = case, Clock(), has_feed
        kind: Any = AsyncIssuer if front.is_async else Issuer
        given = settings(credentials=case.credentials, profile=case.profile)
        self.issuer = cheap(
            kind.open(
                given, clock=self.clock.wall, monotonic=self.clock.monotonic, background=False, grants=what_is_asked
            )
        )
        self._issued: set[bytes] = set()
        self.send: Callable[[Sent], Answer] = front.build(self.issuer)

    def ask(self, path: str, *headers: Pair, method: str = "GET", body: bytes = b"") -> Answer:
        if self.has_feed:
            self.issuer.parts.session_cache.mark_complete(self.clock.seconds)
        answer = self.send(Sent(method, path, (HOST, *headers), body))
        shown = b"\n".join([answer.body, *(value for _, value in answer.headers)])
        assert not [each for each in self._issued if each in shown], f"{path} shows a credential issued before"
        self._issued.update(CREDENTIAL.findall(shown))
        return answer

    def post(self, path: str, document: dict[str, object], *headers: Pair) -> Answer:
        return self.ask(path, JSON, *headers, method="POST", body=json.dumps(document).encode())

    def signup(self, deliver: str | None = None, scope: str | None = None) -> Login:
        email = f"user{next(_NUMBERS)}@example.com"
        document = {"email": email, "password": PASSWORD, "deliver": deliver or self.case.deliver, "scope": scope}
        return self.login_of(self.post("/auth/signup", document))

    def twice(self) -> tuple[Login, Login]:
        """Sign up, and log in to the same account on another device."""
        document: dict[str, object] = {"email": f"user{next(_NUMBERS)}@example.com", "password": PASSWORD}
        document["deliver"] = self.case.deliver
        first = self.login_of(self.post("/auth/signup", document))
        return first, self.login_of(self.post("/auth/login", document))

    def appoint(self, login: Login) -> None:
        """Make the account of a login an administrator, as the command line does."""
        parts = self.issuer.parts
        drive(set_admin(Subject(login.subject), True, *parts.present()), parts.sync_ports)

    def login_of(self, answer: Answer) -> Login:
        assert answer.status in (200, 201), answer
        issued = json.loads(answer.body)
        if "access_token" in issued:
            headers: tuple[Pair, ...] = ((b"authorization", b"Bearer " + issued["access_token"].encode()),)
        else:
            pairs = [value.partition(b";")[0] for value in answer.values(b"set-cookie")]
            headers = ((b"cookie", b"; ".join(pairs)),)
        csrf = ((b"x-csrf-token", issued["csrf_token"].encode()),) if "csrf_token" in issued else ()
        return Login(issued["sid"], issued["subject"], headers, csrf)

    def logout(self, login: Login, path: str = "/auth/logout") -> None:
        assert self.ask(path, *login.headers, *login.csrf, SAME_ORIGIN, method="POST").status == 200

    def main_cookie(self, login: Login) -> bytes:
        """Return ``name=value`` of the cookie that authenticates."""
        role = "access" if self.case.credentials == "jwt" else "session"
        name = self.issuer.config.profile.cookie.name(role).encode()
        return next(each for each in login.headers[0][1].split(b"; ") if each.startswith(name + b"="))

    def close(self) -> None:
        self.issuer.parts.hasher.close()


def result(answer: Answer) -> tuple[int, str | None]:
    """Return the status with the session id of the caller, or with the code of the refusal."""
    document = json.loads(answer.body)
    return answer.status, document["sid" if answer.status == 200 else "code"]


def with_cookies(login: Login, header: bytes) -> Login:
    return replace(login, headers=((b"cookie", header),))


def what_is_asked(request: GrantRequest) -> tuple[str, dict[str, object]]:
    """Grant the scopes that a login asks for, and none if it asks for none."""
    return " ".join(request.scope or ()), {}
