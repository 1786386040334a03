"""The judgement of one token: every verdict, seen before or not, blocking or awaited."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyturn.core.claims import build_claims
from keyturn.core.instant import Instant, SessionId, Subject
from keyturn.core.principal import Principal
from keyturn.core.realm import Realm
from keyturn.core.revocation import ENDED, Entry, Kind
from keyturn.core.sealed import Secrets
from keyturn.core.session import Client, Seed, Session
from keyturn.errors import (
    ConfigurationError,
    Refusal,
    RevocationUnknown,
    TokenExpired,
    TokenInvalid,
    TokenMalformed,
    TokenNotYetValid,
    TokenRevoked,
    Unavailable,
    UnknownKey,
)
from keyturn.tokens import KeySet, SigningKey, sign_compact
from keyturn.verifier import AsyncVerifier, Verifier
from keyturn.verifier.claims import _read_strictly, read_claims

ISSUER = "https://auth.example.com"
NOW = 1_800_000_000
SID = "AbCdEfGhIjKlMnOpQrStuA"
REALM = Realm(ISSUER, ("orders",), Secrets(bytes(32)))
SESSION = Session(
    SessionId(SID), Subject("ada"), Seed(b""), Client("web"), 3, Instant(NOW), Instant(NOW), Instant(NOW), Instant(NOW)
)

Mint = Callable[..., str]
Verify = Callable[[str], Principal]


class Bench:
    """One verifier of either colour, called the same way, with its clocks and feed at hand."""

    def __init__(self, colour: str, keys: KeySet, feed: Any, clock: Any, monotonic: Any) -> None:
        self.colour = colour
        self.keys, self.feed, self.clock, self.monotonic = keys, feed, clock, monotonic
        self.asked: list[str] = []
        self.active: object = True
        self.make()

    def make(self, **changed: Any) -> None:
        arguments = {"keys": self.keys, "feed": self.feed, "clock": self.clock, "monotonic": self.monotonic} | changed
        self.verifier: Verifier | AsyncVerifier
        if self.colour == "sync":
            self.verifier = Verifier(ISSUER, "orders", **arguments)
        else:
            self.verifier = AsyncVerifier(ISSUER, "orders", **arguments)

    def __call__(self, token: Any) -> Principal:
        if isinstance(self.verifier, Verifier):
            return self.verifier(token)
        return asyncio.run(self.verifier(token))

    def introspect(self) -> None:
        def ask(token: str) -> bool:
            self.asked.append(token)
            if isinstance(self.active, BaseException):
                raise self.active
            return self.active  # type: ignore[return-value]

        async def ask_async(token: str) -> bool:
            return ask(token)

        self.make(introspect=ask if self.colour == "sync" else ask_async)

    def revoke(self, kind: Kind, key: str, value: int) -> None:
        self.feed.revocations.apply(Entry(kind, key, value, Instant(NOW), Instant(NOW + 1000), 1))


@pytest.fixture(params=["sync", "async"])
def bench(request: pytest.FixtureRequest, key: SigningKey, feed: Any, clock: Any, monotonic: Any) -> Bench:
    return Bench(request.param, KeySet([key]), feed, clock, monotonic)


def test_a_live_token_names_its_principal(bench: Bench, mint: Mint) -> None:
    token = mint()
    expected = Principal(
        subject=Subject("ada"),
        sid=SessionId(SID),
        client_id="web",
        credential="access",
        auth_time=Instant(NOW - 60),
        expires_at=Instant(NOW + 600),
        amr=("pwd", "otp"),
        acr="aal2",
        scope=("read", "write"),
    )
    assert bench(token) == expected
    assert bench(token) is bench(token), "the second answer is remembered"


def test_a_remembered_token_is_not_checked_again(bench: Bench, mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
    token = mint()
    bench(token)
    monkeypatch.setattr("keyturn.verifier.judge.open_token", None)
    assert bench(token).subject == "ada"


@pytest.mark.parametrize(
    ("typ", "good"),
    [
        *((typ, True) for typ in ("at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt")),
        *((typ, False) for typ in ("JWT", "logout+jwt", "", "at+jwt2", "text/at+jwt")),
    ],
)
@pytest.mark.conforms("ASVS 9.2.2", "RFC 8725 3.11", "RFC 9068 4")
def test_only_access_tokens_are_accepted(bench: Bench, mint: Mint, typ: str, good: bool) -> None:
    token = mint(typ=typ)
    if good:
        assert bench(token)
    else:
        with pytest.raises(TokenInvalid, match="typ"):
            bench(token)


@pytest.mark.parametrize(
    "iss", ["https://auth.example.com/", "https://AUTH.example.com", "http://auth.example.com", "x"]
)
@pytest.mark.conforms("RFC 8725 3.8", "RFC 9068 4")
def test_another_issuer_is_refused_however_alike(bench: Bench, mint: Mint, iss: str) -> None:
    with pytest.raises(TokenInvalid, match="iss"):
        bench(mint(iss=iss))


@pytest.mark.parametrize("aud", ["billing", "Orders", "orders ", ["billing"], [], ""])
@pytest.mark.conforms("ASVS 9.2.3", "ASVS 10.3.1", "RFC 9068 4")
def test_a_token_for_another_resource_server_is_refused(bench: Bench, mint: Mint, aud: object) -> None:
    with pytest.raises(TokenInvalid, match="aud"):
        bench(mint(aud=aud))


def test_one_of_several_audiences_is_enough(bench: Bench, mint: Mint) -> None:
    token = mint(aud=["billing", "orders"])
    assert bench(token) is bench(token)


@pytest.mark.parametrize(
    "changed",
    [{name: None} | {} for name in ("iss", "sub", "aud", "exp", "iat")]
    + [{"exp": "1900000000"}, {"exp": 1.9e9}, {"exp": True}, {"exp": -1}, {"exp": 2**70}, {"exp": [1]}]
    + [{"iat": "x"}, {"nbf": "0"}, {"sub": ""}, {"sub": 7}, {"iss": ""}, {"aud": 5}, {"aud": ["orders", 5]}]
    + [{"gen": "3"}, {"gen": -2}, {"sid": 5}, {"amr": "pwd"}, {"scope": ["read"]}, {"auth_time": "x"}, {"acr": 2}],
    ids=repr,
)
def test_claims_of_another_type_or_missing_are_refused_never_coerced(
    bench: Bench, mint: Mint, changed: dict[str, object]
) -> None:
    with pytest.raises(TokenInvalid, match="claims"):
        bench(mint(**changed))


@pytest.mark.parametrize("payload", [b"[]", b'"x"', b"{", b"\xff", b'{"iss":"a","iss":"b"}', b"null", b"1"])
def test_a_payload_that_is_no_strict_object_is_malformed(bench: Bench, key: SigningKey, payload: bytes) -> None:
    with pytest.raises(TokenMalformed):
        bench(sign_compact(payload, key))


def test_a_token_whose_revocation_could_never_be_known_is_refused_where_there_is_a_feed(
    bench: Bench, mint: Mint
) -> None:
    for changed in ({"sid": None}, {"sid": ""}, {"gen": None}):
        with pytest.raises(TokenInvalid, match="revocation"):
            bench(mint(**changed))
    bench.make(feed=None, revocation="none")
    assert bench(mint(sid=None, gen=None, client_id=None, amr=None, scope=None, auth_time=None, acr=None)).sid == ""


@pytest.mark.parametrize(
    "token", [None, 5, [], {}, set(), "", "x", "a.b.c", "..", "é.é.é", "\ud800", b"a.b.c", "." * 9000]
)
def test_whatever_is_no_token_is_malformed_and_nothing_else(bench: Bench, token: object) -> None:
    with pytest.raises(TokenMalformed):
        bench(token)


@given(st.text() | st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_meets_one_typed_refusal(key: SigningKey, feed: Any, token: Any) -> None:
    verify = Verifier(ISSUER, "orders", keys=KeySet([key]), feed=feed)
    with pytest.raises((TokenMalformed, TokenInvalid)):
        verify(token)


def test_a_signature_of_another_key_is_refused(
    bench: Bench, mint: Mint, key: SigningKey, other_key: SigningKey
) -> None:
    with pytest.raises(UnknownKey):
        bench(mint(signed_by=other_key))
    forged = SigningKey.generate("EdDSA", kid=key.kid)
    with pytest.raises(TokenInvalid):
        bench(mint(signed_by=forged))


def test_a_source_that_has_no_keys_is_503(bench: Bench, mint: Mint) -> None:
    class Keyless:
        current = None
        due_at = float("inf")

        def prepare(self) -> None: ...
        def seek(self) -> None: ...

    bench.make(keys=Keyless())
    with pytest.raises(Unavailable):
        bench(mint())


# --- time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.conforms("ASVS 9.2.1", "RFC 9068 4")
def test_expiry_is_judged_on_every_call_with_the_leeway(bench: Bench, mint: Mint, clock: Any, seen: bool) -> None:
    token = mint()
    if seen:
        bench(token)
    clock.now = NOW + 600 + 4.999
    assert bench(token)
    clock.now = NOW + 600 + 5
    with pytest.raises(TokenExpired):
        bench(token)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize("seen", [False, True])
def test_a_token_from_the_future_waits_for_its_time(
    bench: Bench, mint: Mint, clock: Any, seen: bool, claim: str
) -> None:
    token = mint(**{claim: NOW + 10})
    if seen:
        clock.now = NOW + 10
        bench(token)
    clock.now = NOW + 4
    with pytest.raises(TokenNotYetValid):
        bench(token)
    clock.now = NOW + 5
    assert bench(token)


# --- revocation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize(
    ("kind", "named", "value", "revoked"),
    [
        (Kind.SESSION, SID, ENDED, True),
        (Kind.SESSION, SID, 7, False),
        (Kind.SESSION, "BbCdEfGhIjKlMnOpQrStuA", ENDED, False),
        (Kind.SUBJECT, "ada", 4, True),
        (Kind.SUBJECT, "ada", 3, False),
        (Kind.SUBJECT, "bob", 4, False),
        (Kind.CLIENT, "web", NOW + 1, True),
        (Kind.CLIENT, "web", NOW, False),
        (Kind.CLIENT, "ios", NOW + 1, False),
        (Kind.EVERYTHING, "", NOW + 1, True),
        (Kind.EVERYTHING, "", NOW, False),
    ],
)
def test_a_revocation_stops_exactly_what_it_names(
    bench: Bench, mint: Mint, kind: Kind, named: str, value: int, revoked: bool, seen: bool
) -> None:
    token = mint()
    if seen:
        bench(token)
    bench.revoke(kind, named, value)
    if revoked:
        with pytest.raises(TokenRevoked):
            bench(token)
    else:
        assert bench(token)


@pytest.mark.parametrize("seen", [False, True])
def test_past_the_staleness_bound_nothing_is_accepted_and_nobody_is_logged_out(
    bench: Bench, mint: Mint, monotonic: Any, seen: bool
) -> None:
    token = mint()
    if seen:
        bench(token)
    monotonic.now = 5.0
    assert bench(token)
    monotonic.now = 5.001
    with pytest.raises(RevocationUnknown) as unknown:
        bench(token)
    assert (unknown.value.status, unknown.value.retry_after_seconds) == (503, 1)
    bench.feed.freshness.confirm(5.001)
    assert bench(token)


def test_the_wall_clock_has_no_say_in_freshness(bench: Bench, mint: Mint, clock: Any, monotonic: Any) -> None:
    token = mint()
    monotonic.now = 6
    clock.now = NOW - 3
    with pytest.raises(RevocationUnknown):
        bench(token)


def test_the_stricter_of_both_bounds_holds(bench: Bench, mint: Mint, monotonic: Any, make_feed: Any) -> None:
    for declared, own in ((2, 5), (60, 2)):
        bench.make(feed=make_feed(bound_seconds=declared), staleness_seconds=own)
        monotonic.now = 2
        assert bench(mint())
        monotonic.now = 2.1
        with pytest.raises(RevocationUnknown):
            bench(mint())


def test_what_is_known_to_be_revoked_stays_so_when_the_news_is_old(bench: Bench, mint: Mint, monotonic: Any) -> None:
    bench.introspect()
    bench.revoke(Kind.SESSION, SID, ENDED)
    monotonic.now = 100
    with pytest.raises(TokenRevoked):
        bench(mint())
    assert bench.asked == []


@pytest.mark.parametrize("seen", [False, True])
def test_a_stale_feed_asks_the_issuer_about_each_token(bench: Bench, mint: Mint, monotonic: Any, seen: bool) -> None:
    bench.introspect()
    token = mint()
    if seen:
        bench(token)
    assert bench.asked == []
    monotonic.now = 6
    assert bench(token)
    assert bench(token)
    assert bench.asked == [token, token], "an answer is about now: it is not remembered"
    bench.active = False
    with pytest.raises(TokenRevoked):
        bench(token)


@pytest.mark.parametrize(
    "failure", [OSError("down"), Unavailable("down"), TokenInvalid("x"), ValueError(), TimeoutError()]
)
def test_introspection_that_fails_says_neither_yes_nor_no(
    bench: Bench, mint: Mint, monotonic: Any, failure: Exception
) -> None:
    bench.introspect()
    bench.active = failure
    monotonic.now = 6
    with pytest.raises(RevocationUnknown) as unknown:
        bench(mint())
    assert unknown.value.__cause__ is failure


@pytest.mark.parametrize("answer", [1, "yes", None, {}])
def test_only_true_is_a_yes(bench: Bench, mint: Mint, monotonic: Any, answer: object) -> None:
    bench.introspect()
    bench.active = answer
    monotonic.now = 6
    with pytest.raises(TokenRevoked):
        bench(mint())


def test_an_expired_or_misdirected_token_is_not_asked_about(bench: Bench, mint: Mint, monotonic: Any) -> None:
    bench.introspect()
    monotonic.now = 6
    for token, refusal in ((mint(exp=NOW - 10), TokenExpired), (mint(aud="x"), TokenInvalid)):
        with pytest.raises(refusal):
            bench(token)
    assert bench.asked == []


def test_without_a_feed_by_explicit_choice_a_token_lives_until_it_expires(
    bench: Bench, mint: Mint, clock: Any, monotonic: Any
) -> None:
    bench.make(feed=None, revocation="none")
    token = mint()
    assert bench(token)
    monotonic.now = 1e9
    assert bench(token)
    clock.now = NOW + 605
    with pytest.raises(TokenExpired):
        bench(token)


# --- memory changes no verdict ------------------------------------------------------------------------------

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("clock"), st.integers(-20, 700)),
        st.tuples(st.just("monotonic"), st.integers(0, 4)),
        st.tuples(st.just("confirm"), st.just(0)),
        st.tuples(st.just("subject"), st.integers(0, 6)),
        st.tuples(st.just("client"), st.integers(-2, 2)),
        st.tuples(st.just("everything"), st.integers(-2, 2)),
        st.tuples(st.just("session"), st.sampled_from([3, ENDED])),
    ),
    max_size=12,
)


def _outcome(verify: Verifier, token: str) -> object:
    try:
        return verify(token)
    except Refusal as refusal:
        return type(refusal)


@given(moves=MOVES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_verifier_that_remembers_answers_as_one_that_does_not(
    moves: list[tuple[str, int]], mint: Mint, key: SigningKey, make_feed: Any, make_clock: Any
) -> None:
    feed, clock, monotonic = make_feed(), make_clock(NOW), make_clock(0)
    shared: dict[str, Any] = {"keys": KeySet([key]), "feed": feed, "clock": clock, "monotonic": monotonic}
    remembering = Verifier(ISSUER, "orders", **shared)
    forgetting = Verifier(ISSUER, "orders", memo_tokens=0, **shared)
    tokens = [mint(), mint(sub="bob", sid="BbCdEfGhIjKlMnOpQrStuA"), mint(client_id="ios", iat=NOW + 1)]
    for move, amount in [("confirm", 0), *moves]:
        if move == "clock":
            clock.now = NOW + amount
        elif move == "monotonic":
            monotonic.now += amount
        elif move == "confirm":
            feed.freshness.confirm(monotonic.now)
        else:
            named = {"subject": "ada", "client": "web", "everything": "", "session": SID}[move]
            value = NOW + amount if move in ("client", "everything") else amount
            feed.revocations.apply(Entry(Kind(move), named, value, Instant(NOW), Instant(NOW + 1000)))
        for token in tokens:
            assert _outcome(remembering, token) == _outcome(forgetting, token)


# --- configuration ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"audience": ""},
        {"leeway_seconds": -1},
        {"leeway_seconds": 61},
        {"staleness_seconds": 0},
        {"staleness_seconds": 301},
        {"staleness_seconds": float("nan")},
        {"memo_tokens": -1},
        {"revocation": "accept"},
        {"revocation": "none"},
        {"keys": None, "issuer": "http://auth.example.com"},
        {"feed": None, "revocation": "feed", "issuer": "ftp://auth.example.com"},
        {"keys": None, "issuer": "https://auth.example.com?x"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("colour", [Verifier, AsyncVerifier])
def test_a_wrong_configuration_is_refused_when_it_is_made(
    colour: Any, wrong: dict[str, Any], key: SigningKey, feed: Any
) -> None:
    arguments: dict[str, Any] = {"issuer": ISSUER, "audience": "orders", "keys": KeySet([key]), "feed": feed}
    with pytest.raises(ConfigurationError):
        colour(**(arguments | wrong))


def test_what_a_verifier_trusts_can_be_read_and_not_changed(bench: Bench) -> None:
    assert (bench.verifier.issuer, bench.verifier.audience, bench.verifier.feed) == (ISSUER, "orders", bench.feed)
    assert bench.verifier.keys.current is bench.keys
    with pytest.raises(AttributeError):
        bench.verifier.audience = "billing"  # type: ignore[misc]
    bench.verifier.close()


# --- reading claims -----------------------------------------------------------------------------------------


@given(
    members=st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "jti", "gen", "sid", "amr", "scope", "nbf", "tenant"]),
        st.one_of(st.text(max_size=3), st.integers(-2, 3), st.none(), st.lists(st.text(max_size=2), max_size=2)),
    ),
    compact=st.booleans(),
)
def test_the_short_way_of_reading_claims_answers_as_the_strict_one(members: dict[str, Any], compact: bool) -> None:
    base = {"iss": "i", "sub": "s", "aud": "orders", "exp": 2, "iat": 1}
    payload = json.dumps(base | members, separators=(",", ":") if compact else None).encode()

    def outcome(read: Callable[[bytes], object]) -> object:
        try:
            return read(payload)
        except Refusal as refusal:
            return type(refusal)

    assert outcome(read_claims) == outcome(_read_strictly)


def test_a_repeated_member_is_noticed_however_the_rest_is_written() -> None:
    for repeated in (b'"sub":"s"', b'"scope":"x"', b'"x":1', b'"\\u0073ub":"s"'):
        payload = b'{"iss":"i","sub":"s","aud":"a","exp":2,"iat":1,"scope":"r","x":1,' + repeated + b"}"
        with pytest.raises(TokenMalformed, match="repeated"):
            read_claims(payload)


@pytest.mark.parametrize("changed", [{}, {"scope": ""}, {"amr": ()}, {"generation": 0}], ids=repr)
def test_what_keyturn_writes_is_decoded_once(changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    session = replace(SESSION, **changed)
    payload = msgspec.json.encode(build_claims(session, "j1", Instant(NOW), REALM))
    monkeypatch.setattr("keyturn.verifier.claims._read_strictly", None)
    assert read_claims(payload).scope == session.scope
