"""Key sets and their documents."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import effort
from keyturn.errors import ConfigurationError, TokenInvalid
from keyturn.tokens import KeySet, SigningKey, sign_compact, verify_compact

ED25519 = SigningKey.generate("EdDSA", "ed")
JWK = ED25519.verifying_key.to_jwk()


def document(*keys: object, **more: object) -> bytes:
    return json.dumps({"keys": list(keys), **more}).encode()


def test_a_published_key_set_verifies_tokens_of_its_keys(every_key: dict[str, SigningKey]) -> None:
    public = [key for key in every_key.values() if not key.symmetric]
    for form in (published := KeySet(public).to_jwks(), json.dumps(published), json.dumps(published).encode()):
        keys = KeySet.from_jwks(form)
        assert keys.to_jwks() == published
        for key in public:
            assert verify_compact(sign_compact(b"{}", key), keys) == b"{}"


def test_hmac_secrets_verify_and_are_not_published(every_key: dict[str, SigningKey]) -> None:
    keys = KeySet([every_key["HS256"], every_key["HS384"], ED25519])
    assert verify_compact(sign_compact(b"{}", every_key["HS256"]), keys) == b"{}"
    assert keys.to_jwks() == {"keys": [JWK]}


def test_published_keys_hold_no_private_member(every_key: dict[str, SigningKey]) -> None:
    for jwk in KeySet(every_key.values()).to_jwks()["keys"]:
        assert set(jwk) <= {"kty", "alg", "use", "kid", "n", "e", "crv", "x", "y"}


def test_two_keys_with_one_kid_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two keys have the kid 'ed'"):
        KeySet([ED25519, SigningKey.generate("EdDSA", "ed")])


def test_a_set_is_counted_iterated_and_asked() -> None:
    keys = KeySet([ED25519])
    assert len(keys) == 1
    assert "ed" in keys
    assert "other" not in keys
    assert [key.kid for key in keys] == ["ed"]
    assert keys.find("ed") is ED25519.verifying_key
    assert keys.find("other") is None
    assert not KeySet()


RSA = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}


@pytest.mark.parametrize(
    "useless",
    [
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": 5},
        {},
        {**JWK, "kid": "enc", "use": "enc"},
        {**JWK, "kid": "ops", "key_ops": ["encrypt"]},
        {**JWK, "kid": "ops", "key_ops": []},
        {**JWK, "kid": "ops", "key_ops": "verify"},
        {**JWK, "kid": "ops", "key_ops": None},
        {**JWK, "kid": "ops", "key_ops": ["verify", "verify"]},
        {**JWK, "kid": "ops", "key_ops": ["verify", [], []]},
        {**JWK, "kid": "alg", "alg": None},
        {**JWK, "kid": "use", "use": None},
        {**RSA, "alg": "RSA-OAEP"},
        {**RSA, "alg": 1},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": ["P-256"]},
        {"kty": "EC"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed448", "x": "AA"},
    ],
)
@pytest.mark.conforms("RFC 7517 5")
def test_keys_of_no_use_are_skipped(useless: dict[str, Any]) -> None:
    """RFC 7517 section 5."""
    assert [key.kid for key in KeySet.from_jwks(document(useless, JWK))] == ["ed"]


def test_a_key_for_verifying_is_used() -> None:
    assert len(KeySet.from_jwks(document({**JWK, "key_ops": ["verify"]}))) == 1


def test_an_rsa_key_without_alg_is_for_rs256_only(every_key: dict[str, SigningKey]) -> None:
    jwk = every_key["RS256"].verifying_key.to_jwk()
    del jwk["alg"]
    keys = KeySet.from_jwks({"keys": [jwk]})
    assert verify_compact(sign_compact(b"{}", every_key["RS256"]), keys) == b"{}"
    same = SigningKey.from_private_bytes("PS256", every_key["RS256"].private_bytes(), "RS256")
    with pytest.raises(TokenInvalid, match="not the algorithm"):
        verify_compact(sign_compact(b"{}", same), keys)


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_private_members_are_refused_wherever_they_stand(member: str) -> None:
    for leak in ({**JWK, member: "AAAA"}, {"kty": "AKP", member: "AAAA"}, {**JWK, "use": "enc", member: "AAAA"}):
        with pytest.raises(ConfigurationError, match=rf"private or symmetric members \({member}\)"):
            KeySet.from_jwks(document(leak))


def test_symmetric_keys_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="private or symmetric"):
        KeySet.from_jwks(document(JWK, {"kty": "oct", "kid": "s"}))


def test_a_repeated_kid_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="repeats the kid 'ed'"):
        KeySet.from_jwks(document(JWK, {**JWK, "use": "enc"}))


@pytest.mark.parametrize("kid", [None, 5, [], {}, "", "k" * 257])
def test_a_kid_that_is_no_sane_string_is_refused(kid: object) -> None:
    with pytest.raises(ConfigurationError, match="kid"):
        KeySet.from_jwks(document({**JWK, "kid": kid}))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"alg": "RS256"}, "needs a RSA key"),
        ({"x": JWK["x"] + "="}, "base64url"),
        ({"x": "é" + JWK["x"]}, "base64url"),
        ({"x": "\ud800"}, "cannot be read"),
        ({"x": "AAAA"}, "octets"),
        ({"x": 5}, "not a string"),
        ({"x": None}, "not a string"),
        ({"kty": "RSA"}, "missing"),
        ({"kty": "RSA", "n": "", "e": "AQAB"}, "empty"),
        ({"kty": "RSA", "n": "AAAB", "e": "AQAB"}, "zero octet"),
        ({"kty": "RSA", "alg": "RS256", "n": "AQAB", "e": "AQ"}, "not a public key"),
    ],
)
def test_a_malformed_key_is_refused_and_named(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        KeySet.from_jwks(document({**JWK, **change}))


def test_lone_surrogates_in_a_mapping_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="base64url"):
        KeySet.from_jwks({"keys": [{**JWK, "x": "\ud800"}]})


def test_every_problem_is_listed_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        KeySet.from_jwks(document({**JWK, "x": "AAAA"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}))
    assert len(refused.value.problems) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b"null",
        "",
        "{}",
        '{"keys":{}}',
        '{"keys":[1]}',
        '{"keys":[],"keys":[]}',
        b"\xff",
        "\ud800",
        {},
        None,
        5,
        bytearray(b"{}"),
        [JWK],
        '{"keys":' + "[" * 500,
    ],
)
def test_an_invalid_key_set_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        KeySet.from_jwks(wrong)


def test_size_and_number_are_capped() -> None:
    with pytest.raises(ConfigurationError, match="at most"):
        KeySet.from_jwks(document(JWK), max_bytes=50)
    with pytest.raises(ConfigurationError, match="101 keys"):
        KeySet.from_jwks(document(*[{"kty": "AKP"}] * 101))
    assert not KeySet.from_jwks(document(*[{"kty": "AKP"}] * 100))


@settings(max_examples=effort(100, 3000))
@given(
    st.dictionaries(
        st.sampled_from([*JWK, "n", "e", "y", "key_ops", "d"]),
        st.sampled_from(["RSA", "EC", "OKP", "P-256", "P-521", "Ed25519", "RS256", "ES512", "sig", "AQAB", JWK["x"]])
        | st.text(max_size=5)
        | st.none()
        | st.lists(st.just("verify"), max_size=1),
    )
)
def test_any_key_is_used_or_skipped_or_refused(jwk: dict[str, Any]) -> None:
    with suppress(ConfigurationError):
        assert len(KeySet.from_jwks({"keys": [jwk]})) <= 1


def test_a_secret_made_of_a_public_number_beside_it_is_refused() -> None:
    secret = SigningKey("HS256", ED25519.verifying_key._public.public_bytes_raw(), "s")
    assert len(KeySet([secret, SigningKey.generate("EdDSA")])) == 2
    with pytest.raises(ConfigurationError, match="public key of the same set"):
        KeySet([secret, ED25519])
