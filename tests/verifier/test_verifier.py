"""Verification of one token: every result, cached or not, sync and async."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyturn.core.principal import Principal
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import (
    ConfigurationError,
    TokenExpired,
    TokenInvalid,
    TokenMalformed,
    TokenNotYetValid,
    Unavailable,
    UnknownKey,
)
from keyturn.tokens import KeySet, SigningKey, sign_compact
from keyturn.verifier import AsyncVerifier, Verifier
from verifier.harness import ISSUER, NOW, SID, Mint, VerifierHarness


def test_a_live_token_names_its_principal(harness: VerifierHarness, mint: Mint) -> None:
    token = mint()
    expected = Principal(
        subject=Subject("ada"),
        sid=SessionId(SID),
        client_id="web",
        credential="access",
        auth_time=Instant(NOW - 60),
        credential_expires_at=Instant(NOW + 600),
        amr=("pwd", "otp"),
        acr="aal2",
        scope=("read", "write"),
        generation=3,
        issued_at=Instant(NOW),
    )
    assert harness(token) == expected
    assert harness(token) is harness(token), "the second answer is remembered"


def test_a_cached_token_is_not_parsed_again(
    harness: VerifierHarness, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = mint()
    harness(token)
    monkeypatch.setattr("keyturn.verifier.checker.verify_compact", None)
    assert harness(token).subject == "ada"


@pytest.mark.parametrize(
    ("typ", "good"),
    [
        *((typ, True) for typ in ("at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt")),
        *((typ, False) for typ in ("JWT", "logout+jwt", "", "at+jwt2", "text/at+jwt")),
    ],
)
@pytest.mark.conforms("ASVS 9.2.2", "RFC 8725 3.11", "RFC 9068 4")
def test_only_access_tokens_are_accepted(harness: VerifierHarness, mint: Mint, typ: str, good: bool) -> None:
    token = mint(typ=typ)
    if good:
        assert harness(token)
    else:
        with pytest.raises(TokenInvalid, match="typ"):
            harness(token)


@pytest.mark.parametrize(
    "iss", ["https://auth.example.com/", "https://AUTH.example.com", "http://auth.example.com", "x"]
)
@pytest.mark.conforms("RFC 8725 3.8", "RFC 9068 4")
def test_another_issuer_is_refused_however_alike(harness: VerifierHarness, mint: Mint, iss: str) -> None:
    with pytest.raises(TokenInvalid, match="iss"):
        harness(mint(iss=iss))


@pytest.mark.parametrize("aud", ["billing", "Orders", "orders ", ["billing"], [], ""])
@pytest.mark.conforms("ASVS 9.2.3", "ASVS 10.3.1", "RFC 9068 4")
def test_a_token_for_another_resource_server_is_refused(harness: VerifierHarness, mint: Mint, aud: object) -> None:
    with pytest.raises(TokenInvalid, match="aud"):
        harness(mint(aud=aud))


def test_one_of_several_audiences_is_enough(harness: VerifierHarness, mint: Mint) -> None:
    token = mint(aud=["billing", "orders"])
    assert harness(token) is harness(token)


def test_a_verifier_takes_several_names_while_one_is_replaced(mint: Mint, key: SigningKey, feed: Any) -> None:
    for names in (["orders", "orders-v2"], ("orders-v2", "orders"), iter(["orders", "orders-v2"])):
        verify = Verifier(ISSUER, names, keys=KeySet([key]), feed=feed, clock=lambda: NOW, monotonic=lambda: 0.0)
        assert verify.audience == {"orders", "orders-v2"}
        for aud in ("orders", "orders-v2", ["billing", "orders-v2"], ["orders-v2", "orders"]):
            token = mint(aud=aud)
            assert verify(token) is verify(token)
        for aud in ("billing", "orders,orders-v2", "", [], ["order", "s"]):
            with pytest.raises(TokenInvalid, match="'orders' or 'orders-v2'"):
                verify(mint(aud=aud))


def test_one_name_in_a_list_is_the_name_itself(key: SigningKey, feed: Any) -> None:
    assert Verifier(ISSUER, ["orders", "orders"], keys=KeySet([key]), feed=feed).audience == "orders"


@pytest.mark.parametrize("audience", [7, b"orders", [b"orders"], ["orders", 7]])
def test_an_audience_of_another_type_is_refused(key: SigningKey, feed: Any, audience: Any) -> None:
    with pytest.raises(TypeError, match="audience must be"):
        Verifier(ISSUER, audience, keys=KeySet([key]), feed=feed)


@pytest.mark.parametrize(
    "changed",
    [{name: None} for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id")]
    + [{"exp": "1900000000"}, {"exp": 1.9e9}, {"exp": True}, {"exp": -1}, {"exp": 2**70}, {"exp": [1]}]
    + [
        {"iat": "x"},
        {"nbf": "0"},
        {"sub": ""},
        {"sub": 7},
        {"iss": ""},
        {"jti": ""},
        {"client_id": 5},
        {"aud": 5},
        {"aud": ["orders", 5]},
    ]
    + [{"gen": "3"}, {"gen": -2}, {"sid": 5}, {"amr": "pwd"}, {"scope": ["read"]}, {"auth_time": "x"}, {"acr": 2}],
    ids=repr,
)
def test_missing_claims_and_claims_of_another_type_are_refused(
    harness: VerifierHarness, mint: Mint, changed: dict[str, object]
) -> None:
    with pytest.raises(TokenInvalid, match="claims"):
        harness(mint(**changed))


@pytest.mark.parametrize("payload", [b"[]", b'"x"', b"{", b"\xff", b'{"iss":"a","iss":"b"}', b"null", b"1"])
def test_a_payload_that_is_no_strict_object_is_malformed(
    harness: VerifierHarness, key: SigningKey, payload: bytes
) -> None:
    with pytest.raises(TokenMalformed):
        harness(sign_compact(payload, key))


def test_a_token_without_revocation_claims_is_refused_with_a_feed(harness: VerifierHarness, mint: Mint) -> None:
    for changed in ({"sid": None}, {"sid": ""}, {"gen": None}):
        with pytest.raises(TokenInvalid, match="revocation"):
            harness(mint(**changed))
    harness.make(feed=None, revocation="none")
    assert harness(mint(sid=None, gen=None, amr=None, scope=None, auth_time=None, acr=None)).sid == ""


@pytest.mark.parametrize(
    "token", [None, 5, [], {}, set(), "", "x", "a.b.c", "..", "é.é.é", "\ud800", b"a.b.c", "." * 9000]
)
def test_a_value_that_is_not_a_token_is_malformed(harness: VerifierHarness, token: object) -> None:
    with pytest.raises(TokenMalformed):
        harness(token)


@given(st.text() | st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_refused_as_malformed_or_invalid(key: SigningKey, feed: Any, token: Any) -> None:
    verify = Verifier(ISSUER, "orders", keys=KeySet([key]), feed=feed)
    with pytest.raises((TokenMalformed, TokenInvalid)):
        verify(token)


def test_a_signature_of_another_key_is_refused(
    harness: VerifierHarness, mint: Mint, key: SigningKey, other_key: SigningKey
) -> None:
    with pytest.raises(UnknownKey):
        harness(mint(signed_by=other_key))
    forged = SigningKey.generate("EdDSA", kid=key.kid)
    with pytest.raises(TokenInvalid):
        harness(mint(signed_by=forged))


def test_a_source_that_has_no_keys_is_503(harness: VerifierHarness, mint: Mint) -> None:
    class Keyless:
        current = None
        due_at = float("inf")

        def refresh_if_due(self) -> None: ...
        def fetch_for_unknown_kid(self) -> None: ...

    harness.make(keys=Keyless())
    with pytest.raises(Unavailable):
        harness(mint())


# --- time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.conforms("ASVS 9.2.1", "RFC 9068 4")
def test_expiry_is_judged_on_every_call_with_the_leeway(
    harness: VerifierHarness, mint: Mint, clock: Any, seen: bool
) -> None:
    token = mint()
    if seen:
        harness(token)
    clock.now = NOW + 600 + 4.999
    assert harness(token)
    clock.now = NOW + 600 + 5
    with pytest.raises(TokenExpired):
        harness(token)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize("seen", [False, True])
def test_a_token_from_the_future_waits_for_its_time(
    harness: VerifierHarness, mint: Mint, clock: Any, seen: bool, claim: str
) -> None:
    token = mint(**{claim: NOW + 10})
    if seen:
        clock.now = NOW + 10
        harness(token)
    clock.now = NOW + 4
    with pytest.raises(TokenNotYetValid):
        harness(token)
    clock.now = NOW + 5
    assert harness(token)


# --- configuration ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"audience": ""},
        {"audience": None},
        {"audience": []},
        {"audience": ["orders", ""]},
        {"leeway_seconds": -1},
        {"leeway_seconds": 61},
        {"staleness_seconds": 0},
        {"staleness_seconds": 301},
        {"staleness_seconds": float("nan")},
        {"token_cache_size": -1},
        {"revocation": "accept"},
        {"revocation": "none"},
        {"keys": None, "issuer": "http://auth.example.com"},
        {"feed": None, "revocation": "feed", "issuer": "ftp://auth.example.com"},
        {"keys": None, "issuer": "https://auth.example.com?x"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", [Verifier, AsyncVerifier])
def test_a_wrong_configuration_is_refused_when_it_is_made(
    kind: Any, wrong: dict[str, Any], key: SigningKey, feed: Any
) -> None:
    arguments: dict[str, Any] = {"issuer": ISSUER, "audience": "orders", "keys": KeySet([key]), "feed": feed}
    with pytest.raises(ConfigurationError):
        kind(**(arguments | wrong))


def test_issuer_audience_and_feed_of_a_verifier_are_read_only(harness: VerifierHarness) -> None:
    assert (harness.verifier.issuer, harness.verifier.audience, harness.verifier.feed) == (
        ISSUER,
        "orders",
        harness.feed,
    )
    assert harness.verifier.keys.current is harness.keys
    with pytest.raises(AttributeError):
        harness.verifier.audience = "billing"  # type: ignore[misc]
    harness.verifier.close()
