"""A client of the web layer with a memory store, a session cache, argon2id, ES256 and a manual clock."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

import msgspec

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import BROWSER, Profile, TokenPolicy
from keyturn.core.sealed import Secrets
from keyturn.core.types import Instant
from keyturn.flows.drive import drive
from keyturn.grants import GrantsFunction, make_grants
from keyturn.passwords import Argon2Hasher, NistPasswordRules
from keyturn.ports import Ports
from keyturn.signing import KeyRing, SigningKeyGenerator
from keyturn.stores.memory import MemoryStore
from keyturn.stores.null_cache import NullSessionCache
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.tokens import KeyEncryptor
from keyturn.web.config import WebConfig, service_digest, web_config
from keyturn.web.message import Header, Reply, Request
from keyturn.web.routes import handle

START = Instant(1_900_000_000)
SECRET = b"s" * 32
SERVICE_TOKEN = "service-token-0123456789abcdef"
EMAIL = "ada@example.com"
PASSWORD = "unrelated gravel thistle moss"
FORM = b"application/x-www-form-urlencoded"
ES256 = replace(BROWSER, token=TokenPolicy(algorithm="ES256"))


@dataclass
class Browser:
    """One client of one site: keeps cookies, moves the clock, answers replies."""

    site: WebConfig
    ports: Ports
    now: Instant = START
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = "192.0.2.7"

    def send(self, method: str, path: str, *, headers: Iterable[Header] = (), body: bytes = b"") -> Reply:
        path, _, query = path.partition("?")
        sent = [(b"host", b"auth.example.com"), *headers]
        if self.cookies:
            sent.append((b"cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()).encode()))
        request = Request(method, path, query, tuple(sent), body, self.address)
        reply = drive(handle(request, self.now, self.site), self.ports)
        self._keep(reply)
        return reply

    def get(self, path: str, token: str | None = None) -> Reply:
        return self.send("GET", path, headers=bearer(token))

    def post(self, path: str, document: object = None, token: str | None = None, **headers: str) -> Reply:
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        body = b"" if document is None else msgspec.json.encode(document)
        return self.send(
            "POST", path, headers=[(b"content-type", b"application/json"), *bearer(token), *named], body=body
        )

    def form(self, path: str, fields: dict[str, str], token: str | None = None, **headers: str) -> Reply:
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        sent = [(b"content-type", FORM), *bearer(token), *named]
        return self.send("POST", path, headers=sent, body=urlencode(fields).encode())

    def signup(self, deliver: str | None = None, email: str = EMAIL) -> Reply:
        return self.post("/auth/signup", {"email": email, "password": PASSWORD, "deliver": deliver})

    def login(self, deliver: str | None = None, **headers: str) -> Reply:
        return self.post("/auth/login", {"email": EMAIL, "password": PASSWORD, "deliver": deliver}, **headers)

    def other(self) -> "Browser":
        """Another client of the same site."""
        return Browser(self.site, self.ports, self.now)

    def _keep(self, reply: Reply) -> None:
        for name, value in reply.headers:
            if name == b"set-cookie":
                key, _, kept = value.decode().partition(";")[0].partition("=")
                if kept:
                    self.cookies[key] = kept
                else:
                    self.cookies.pop(key, None)


class SystemEntropy:
    token_bytes = staticmethod(secrets.token_bytes)


def bearer(token: str | None) -> list[Header]:
    return [] if token is None else [(b"authorization", f"Bearer {token}".encode())]


def document(reply: Reply) -> dict[str, object]:
    decoded = msgspec.json.decode(reply.body)
    assert isinstance(decoded, dict)
    return decoded


def text(reply: Reply, member: str) -> str:
    value = document(reply)[member]
    assert isinstance(value, str)
    return value


def header(reply: Reply, name: bytes) -> str | None:
    values = [value.decode() for each, value in reply.headers if each == name]
    assert len(values) <= 1
    return values[0] if values else None


def set_cookies(reply: Reply) -> dict[str, str]:
    """Attributes by cookie name."""
    found = [value.decode() for each, value in reply.headers if each == b"set-cookie"]
    return {line.partition("=")[0]: line.partition("=")[2] for line in found}


def make_browser(
    hasher: Argon2Hasher,
    profile: Profile = ES256,
    credentials: str = "hybrid",
    grants: GrantsFunction | None = None,
) -> Browser:
    realm = IssuerConfig("https://auth.example.com", ("orders",), Secrets(SECRET), profile, credentials)
    vault, store = KeyEncryptor(SECRET), MemoryStore()
    near = LocalSessionCache(profile.token.staleness_seconds, lambda: 0.0)
    store.log.subscribe(near)
    foundry, ring = SigningKeyGenerator(vault), KeyRing(vault, profile.token.retired_seconds)
    ring.load([foundry.make("ES256", 1, START)])
    ports = Ports(
        sessions=store.sessions,
        accounts=store.accounts,
        throttles=store.throttles,
        log=store.log,
        keys=store.keys,
        audit=store.audit,
        one_time=store.one_time,
        hasher=hasher,
        key_generator=foundry,
        passwords=NistPasswordRules(profile.password),
        signer=ring,
        session_cache=near,
        shared_cache=NullSessionCache(),
        entropy=SystemEntropy(),
        grants=make_grants(grants, is_async=False),
    )
    place = web_config(
        realm, trusted_origins=["https://app.example.net"], service_digests=[service_digest(SERVICE_TOKEN)]
    )
    return Browser(place, ports)


class Make:
    """Makes browsers of sites of their own."""

    def __init__(self, hasher: Argon2Hasher) -> None:
        self._hasher = hasher

    def __call__(
        self, profile: Profile = ES256, credentials: str = "hybrid", grants: GrantsFunction | None = None
    ) -> Browser:
        return make_browser(self._hasher, profile, credentials, grants)
