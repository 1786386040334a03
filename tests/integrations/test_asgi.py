"""The guard in front of a bare ASGI application: what passes, what is refused, and what its memory may vouch for."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from keyturn import AsyncIssuer, AsyncVerifier, Verifier
from keyturn.compose.parts import build_parts
from keyturn.compose.settings import Settings
from keyturn.compose.upkeep import first_keys
from keyturn.core.freshness import Freshness
from keyturn.core.instant import Instant
from keyturn.core.principal import Principal
from keyturn.core.revocation import ENDED, Entry, Kind, RevocationSet
from keyturn.errors import ConfigurationError, StoreUnavailable
from keyturn.flows import Issued, drive
from keyturn.integrations.asgi import MEMO_COOKIE_BYTES, PRINCIPAL, Guard
from keyturn.passwords import Argon2Hasher, Argon2Parameters

ISSUER = "https://auth.example.com"
COOKIE = b"__Host-kt_session"
PASSWORD = "violet umbrella 7 o clock"
Headers = list[tuple[bytes, bytes]]
T = TypeVar("T")


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Feed:
    def __init__(self) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(5.0, 0.0)


class App:
    """A bare application that notes who called."""

    def __init__(self) -> None:
        self.callers: list[Principal | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.callers.append(scope[PRINCIPAL])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"here"})


class House:
    """An issuer on a memory store with clocks and a feed set by hand, and its guarded application."""

    def __init__(self, policy: str = "browser", **guard: Any) -> None:
        self.clock, self.monotonic = Clock(1_800_000_000.25), Clock(100.0)
        settings = Settings(
            issuer=ISSUER,
            audience="orders",
            store="memory:",
            secret="s3cret-" * 8,
            service_token="t0ken-" * 8,
            algorithm="EdDSA",
            policy=policy,
        )
        parts = build_parts(settings, awaited=True, clock=self.clock, monotonic=self.monotonic)
        parts.hasher.close()
        self.hasher = Argon2Hasher(Argon2Parameters(memory_kib=64, passes=1), threads=1)
        parts = replace(parts, ports=replace(parts.ports, hasher=self.hasher), hasher=self.hasher)
        drive(first_keys(parts), parts.plain)
        self.issuer = AsyncIssuer(parts)
        self.parts = parts
        self.near = parts.near
        self.hear()
        self.app = App()
        self.guard = Guard(self.app, issuer=self.issuer, **guard)

    def hear(self) -> None:
        """News from the feed, as of this moment."""
        self.near.confirm(self.monotonic.now)

    def login(self, name: str = "ada", deliver: Any = "both") -> Issued:
        return run(self.issuer.signup(f"{name}@example.com", PASSWORD, deliver=deliver))

    def ask(self, *headers: tuple[bytes, bytes], method: str = "GET") -> "Answer":
        return ask(self.guard, *headers, method=method)

    def count_flows(self, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        flows: list[object] = []
        from keyturn.integrations import asgi

        driven = asgi.drive_async
        monkeypatch.setattr(asgi, "drive_async", lambda flow, ports: flows.append(flow) or driven(flow, ports))
        return flows

    @property
    def remembered(self) -> int:
        return len(self.guard._door._memo)  # type: ignore[attr-defined]


class Answer:
    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self.sent = sent
        self.status: int = sent[0].get("status", 0)
        self.headers = dict(sent[0].get("headers", ()))
        self.body = b"".join(each.get("body", b"") for each in sent[1:])

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


def run(work: Awaitable[T]) -> T:
    async def ran() -> T:
        return await work

    return asyncio.run(ran())


def http(*headers: tuple[bytes, bytes], method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": list(headers)}


def exchange(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    run(app(scope, receive, send))
    return sent


def ask(app: Any, *headers: tuple[bytes, bytes], method: str = "GET") -> Answer:
    return Answer(exchange(app, http(*headers, method=method)))


def cookie(issued: Issued) -> tuple[bytes, bytes]:
    assert issued.session_token is not None
    return b"cookie", COOKIE + b"=" + issued.session_token.reveal().encode()


def bearer(issued: Issued) -> tuple[bytes, bytes]:
    assert issued.access_token is not None
    return b"authorization", b"Bearer " + issued.access_token.reveal().encode()


@pytest.fixture
def make() -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(policy: str = "browser", **guard: Any) -> House:
        houses.append(House(policy, **guard))
        return houses[-1]

    yield make
    for each in houses:
        each.hasher.close()


@pytest.fixture
def house(make: Callable[..., House]) -> House:
    return make()


# --- the issuer's own app ---


@pytest.mark.parametrize("credential", [cookie, bearer])
def test_every_credential_is_the_same_caller(house: House, credential: Callable[[Issued], tuple[bytes, bytes]]) -> None:
    issued = house.login()
    for _ in range(3):
        answer = house.ask((b"accept", b"*/*"), credential(issued))
        assert (answer.status, answer.body) == (200, b"here")
    assert {caller and caller.sid for caller in house.app.callers} == {issued.session.sid}


def test_an_access_cookie_passes(house: House) -> None:
    issued = house.login(deliver="token-cookies")
    assert issued.access_token is not None
    value = b"__Host-kt_access=" + issued.access_token.reveal().encode()
    assert house.ask((b"cookie", value)).status == 200
    assert house.remembered == 0


def test_a_cookie_seen_before_needs_no_flow(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    presented = cookie(house.login())
    flows = house.count_flows(monkeypatch)
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        assert house.ask(presented, method=method).status == 200
    assert len(flows) == 1


def test_two_callers_are_never_confused(house: House) -> None:
    ada, bob = house.login("ada"), house.login("bob")
    for _ in range(3):
        house.ask(cookie(ada))
        house.ask(cookie(bob))
    assert [caller and caller.sid for caller in house.app.callers] == [ada.session.sid, bob.session.sid] * 3


def test_nobody_is_refused_without_a_credential(house: House) -> None:
    answer = house.ask()
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers[b"www-authenticate"] == b"Bearer"
    assert b"set-cookie" not in answer.headers
    assert house.app.callers == []


def test_a_refused_head_has_no_body(house: House) -> None:
    answer = house.ask(method="HEAD")
    assert (answer.status, answer.body) == (401, b"")


def test_an_optional_guard_lets_strangers_in_but_no_bad_credential(make: Callable[..., House]) -> None:
    house = make(optional=True)
    issued = house.login()
    assert house.ask().status == 200
    assert house.ask(cookie(issued)).status == 200
    assert [caller and caller.sid for caller in house.app.callers] == [None, issued.session.sid]
    assert house.ask((b"cookie", COOKIE + b"=kt_session_forged")).status == 401
    assert house.ask((b"authorization", b"Basic YTpi")).status == 401


def test_a_revoked_session_is_refused_from_the_next_request_on(house: House) -> None:
    issued = house.login()
    assert house.ask(cookie(issued)).status == house.ask(cookie(issued)).status == 200
    run(house.issuer.logout(issued.session.sid))
    assert house.ask(cookie(issued)).code == "token_revoked"
    assert house.remembered == 0


@pytest.mark.parametrize("kind", list(Kind))
def test_what_the_feed_brings_is_heeded_at_once(house: House, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    flows = house.count_flows(monkeypatch)
    subject, client = issued.session.subject, issued.session.client.client_id
    key = {Kind.SESSION: issued.session.sid, Kind.SUBJECT: subject, Kind.CLIENT: client, Kind.EVERYTHING: ""}[kind]
    now = Instant(int(house.clock.now))
    house.near.apply(Entry(kind, key, ENDED, now, Instant(now + 600), 99))
    # The store, which has not heard of it, is the truth: what counts here is that it was asked.
    house.ask(cookie(issued))
    assert len(flows) == 1


def test_a_renewed_session_voids_the_cookie_before(house: House) -> None:
    issued = house.login()
    assert house.ask(cookie(issued)).status == house.ask(cookie(issued)).status == 200
    renewed = run(house.issuer.step_up(issued.session.sid, PASSWORD, deliver="cookie"))
    assert house.ask(cookie(issued)).code == "token_revoked"
    assert house.ask(cookie(renewed)).status == 200
    assert house.ask(cookie(issued)).code == "token_revoked"
    assert house.ask(cookie(renewed)).status == 200


def test_a_stale_feed_sends_every_request_to_the_store(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    flows = house.count_flows(monkeypatch)
    house.monotonic.now += 5.5
    assert house.ask(cookie(issued)).status == house.ask(cookie(issued)).status == 200
    assert (len(flows), house.remembered) == (2, 0)
    house.hear()
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    assert len(flows) == 3


def test_a_stale_feed_and_no_store_is_503_and_destroys_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    house.monotonic.now += 5.5

    async def down(*_: object) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(house.parts.ports.sessions, "load", down, raising=False)
        answer = house.ask(cookie(issued))
    assert (answer.status, answer.code) == (503, "revocation_unknown")
    assert answer.headers[b"retry-after"] == b"1"
    assert b"set-cookie" not in answer.headers
    house.hear()
    assert house.ask(cookie(issued)).status == 200


def test_an_idle_session_ends_by_the_clock(house: House) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    house.clock.now += house.parts.realm.profile.session.inactivity_seconds
    assert house.ask(cookie(issued)).code == "session_ended"


def test_a_busy_session_ends_at_its_overall_timeout(make: Callable[..., House]) -> None:
    house = make("nist-aal2")
    issued = house.login()
    end = issued.session.created_at + house.parts.realm.profile.session.overall_seconds
    while house.clock.now + 1800 < end:
        house.clock.now += 1800
        assert house.ask(cookie(issued)).status == 200
    house.clock.now = end - 0.5
    assert house.ask(cookie(issued)).status == house.ask(cookie(issued)).status == 200
    house.clock.now = end
    assert house.ask(cookie(issued)).code == "session_ended"


def test_a_due_touch_is_written_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    flows = house.count_flows(monkeypatch)
    house.clock.now += house.parts.realm.profile.session.touch_seconds
    for _ in range(3):
        assert house.ask(cookie(issued)).status == 200
    assert len(flows) == 1
    found = run(house.parts.ports.sessions.load(issued.session.sid))
    assert found.session.last_seen_at == int(house.clock.now)


def test_a_session_that_changed_meanwhile_is_not_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = house.login()
    house.ask(cookie(issued))
    found = house.near.recall(issued.session.sid)
    assert found is not None
    renewed = replace(found, session=replace(found.session, renewals=1, version=found.session.version + 1))
    from keyturn.integrations import asgi

    driven = asgi.drive_async

    async def renew_in_between(flow: Any, ports: Any) -> Any:
        answer = await driven(flow, ports)
        house.near.remember(renewed)
        return answer

    house.guard._door._memo.clear()  # type: ignore[attr-defined]
    monkeypatch.setattr(asgi, "drive_async", renew_in_between)
    assert house.ask(cookie(issued)).status == 200
    assert house.remembered == 0


@pytest.mark.parametrize("extra", ["cookie", "authorization"])
def test_a_second_header_never_meets_the_memory(house: House, extra: str) -> None:
    ada, bob = house.login("ada"), house.login("bob")
    for each in (ada, bob):
        house.ask(cookie(each))
        house.ask(cookie(each))
    house.app.callers.clear()
    if extra == "cookie":
        for pair in ((cookie(ada), cookie(bob)), (cookie(ada), cookie(ada))):
            assert house.ask(*pair).code == "bad_request"
        assert house.ask(cookie(ada), (b"cookie", b"theme=dark")).status == 200
    else:
        assert house.ask(cookie(ada), (b"authorization", b"Bearer x")).code == "token_malformed"
        assert house.ask(cookie(ada), bearer(bob)).status == 200
        assert house.app.callers[0] is not None
        assert house.app.callers[0].sid == bob.session.sid


def test_a_tossed_cookie_is_refused_beside_a_remembered_one(house: House) -> None:
    name, value = cookie(house.login())
    house.ask((name, value))
    house.ask((name, value))
    for tossed in (value + b"; " + value, value + b"; kt_session=x", b"\xa0" + value, value.upper()):
        assert house.ask((name, tossed)).status == 400
    assert house.ask((name, value + b"; theme=dark")).status == 200
    assert house.remembered == 2


def test_the_memory_is_bounded(make: Callable[..., House]) -> None:
    house = make(memo_cookies=3)
    name, value = cookie(house.login())
    for number in range(5):
        assert house.ask((name, b"%s; n=%d" % (value, number))).status == 200
    assert house.remembered == 3
    house.ask((name, value + b"; n=" + b"x" * MEMO_COOKIE_BYTES))
    assert house.remembered == 3


def test_an_unsafe_method_always_meets_the_csrf_rules(make: Callable[..., House]) -> None:
    house = make("browser-strict")
    issued = house.login()
    assert issued.csrf_token is not None
    house.ask(cookie(issued))
    house.ask(cookie(issued))
    same, token = (b"sec-fetch-site", b"same-origin"), (b"x-csrf-token", issued.csrf_token.reveal().encode())
    assert house.ask(cookie(issued), method="POST").code == "csrf_token_required"
    assert house.ask(cookie(issued), (b"sec-fetch-site", b"cross-site"), token, method="POST").code == "cross_origin"
    assert house.ask(cookie(issued), same, token, method="POST").status == 200


def test_a_trusted_origin_may_act(make: Callable[..., House]) -> None:
    house = make(trusted_origins=("https://app.example.com",))
    headers = (cookie(house.login()), (b"sec-fetch-site", b"same-site"), (b"origin", b"https://app.example.com"))
    assert house.ask(*headers, method="POST").status == 200


# --- other scopes ---


def test_lifespan_passes() -> None:
    guarded = App()
    guard = Guard(guarded, verifier=Verifier(ISSUER, "orders", revocation="none"))
    assert exchange(guard, {"type": "lifespan"}) == []
    assert guarded.callers == [None]


def test_a_scope_nobody_knows_is_not_let_in(house: House) -> None:
    with pytest.raises(KeyError):
        exchange(house.guard, {"type": "webtransport", "path": "/", "headers": []})
    assert house.app.callers == []


def socket(*headers: tuple[bytes, bytes], **scope: Any) -> dict[str, Any]:
    return {"type": "websocket", "path": "/", "headers": [(b"host", b"auth.example.com"), *headers], **scope}


def test_a_websocket_is_guarded_against_hijacking(house: House) -> None:
    issued = house.login()
    own, other = (b"origin", b"https://auth.example.com"), (b"origin", b"https://evil.example")
    assert exchange(house.guard, socket(cookie(issued), own)) == []
    assert [caller and caller.sid for caller in house.app.callers] == [issued.session.sid]
    refused = {"type": "websocket.close", "code": 1008, "reason": "cross_origin"}
    assert exchange(house.guard, socket(cookie(issued), other)) == [refused]
    assert exchange(house.guard, socket(own)) == [{**refused, "reason": "unauthenticated"}]


def test_a_refused_websocket_is_answered_where_the_server_can(house: House) -> None:
    sent = exchange(house.guard, socket(extensions={"websocket.http.response": {}}))
    assert [each["type"] for each in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert Answer(sent).code == "unauthenticated"


# --- a resource server ---


@pytest.fixture(params=[Verifier, AsyncVerifier])
def guarded(request: pytest.FixtureRequest, house: House) -> tuple[Guard, App, Feed]:
    app, feed = App(), Feed()
    verifier = request.param(
        ISSUER,
        "orders",
        keys=house.parts.ring._keys.published(house.parts.now()),
        feed=feed,
        clock=house.clock,
        monotonic=lambda: house.monotonic.now - 100,
    )
    return Guard(app, verifier=verifier, optional=False), app, feed


def test_a_resource_server_knows_the_bearer(house: House, guarded: tuple[Guard, App, Feed]) -> None:
    guard, app, feed = guarded
    issued = house.login()
    for _ in range(3):
        assert ask(guard, (b"accept", b"*/*"), bearer(issued), method="POST").status == 200
    assert {caller and caller.sid for caller in app.callers} == {issued.session.sid}
    now = Instant(int(house.clock.now))
    feed.revocations.apply(Entry(Kind.SESSION, issued.session.sid, ENDED, now, Instant(now + 600), 1))
    assert ask(guard, bearer(issued)).code == "token_revoked"


def test_a_resource_server_refuses_the_rest(house: House, guarded: tuple[Guard, App, Feed]) -> None:
    guard, app, _ = guarded
    issued = house.login()
    ask(guard, bearer(issued))
    name, value = bearer(issued)
    assert ask(guard).code == "unauthenticated"
    assert ask(guard, cookie(issued)).code == "unauthenticated"
    assert ask(guard, (name, value), (name, value)).code == "bad_request"
    assert ask(guard, (name, b"Basic" + value[6:])).code == "unauthenticated"
    for bad in (value + b"\xe9", value + b"=" * 9000, value + b" x", b"Bearer "):
        assert ask(guard, (name, bad)).code == "token_malformed"
    assert ask(guard, (name, b"bearer  " + value[7:])).status == 200
    house.clock.now += 3600
    assert ask(guard, bearer(issued)).code == "token_expired"
    assert len(app.callers) == 2


def test_a_stale_feed_of_a_resource_server_is_503(house: House, guarded: tuple[Guard, App, Feed]) -> None:
    guard, _, _ = guarded
    issued = house.login()
    assert ask(guard, bearer(issued)).status == 200
    house.monotonic.now += 5.5
    assert ask(guard, bearer(issued)).code == "revocation_unknown"


def test_an_optional_resource_server_lets_strangers_in() -> None:
    app = App()
    guard = Guard(app, verifier=AsyncVerifier(ISSUER, "orders", revocation="none"), optional=True)
    assert ask(guard).status == 200
    assert ask(guard, (b"authorization", b"Bearer x y")).status == 401
    assert app.callers == [None]


def test_a_guard_is_configured_one_way(house: House) -> None:
    verifier = Verifier(ISSUER, "orders", revocation="none")
    for wrong in ({}, {"verifier": verifier, "issuer": house.issuer}, {"issuer": house.issuer, "memo_cookies": 0}):
        with pytest.raises(ConfigurationError):
            Guard(App(), **wrong)
