"""Compact JWS: round trips, published vectors, refusals of one type."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import effort
from keyturn.errors import PayloadRefused, TokenInvalid, TokenMalformed, UnknownKey
from keyturn.tokens import (
    ALGORITHMS,
    MAX_TOKEN_BYTES,
    KeySet,
    SigningKey,
    decode_base64url,
    encode_base64url,
    sign_compact,
    verify_compact,
)

PAYLOAD = b'{"sub":"ada"}'
ED25519 = SigningKey.generate("EdDSA", "ed")
TRUSTED = KeySet([ED25519])
TOKEN = sign_compact(PAYLOAD, ED25519)


def test_a_signed_token_verifies(key: SigningKey) -> None:
    keys = KeySet([key])
    token = sign_compact(PAYLOAD, key)
    assert verify_compact(token, keys) == PAYLOAD
    assert verify_compact(token.encode(), keys) == PAYLOAD


def test_another_key_of_the_same_algorithm_does_not_fit(key: SigningKey) -> None:
    stranger = SigningKey.generate(key.algorithm, key.kid)
    for keys in (KeySet([stranger]), KeySet([stranger, *TRUSTED])):
        with pytest.raises(TokenInvalid, match="is not valid for key"):
            verify_compact(sign_compact(PAYLOAD, key), keys)


@pytest.mark.conforms("ASVS 9.1.1", "RFC 8725 3.3")
def test_each_changed_bit_of_a_signature_is_refused(key: SigningKey) -> None:
    signing_input, _, signature = sign_compact(PAYLOAD, key).encode().rpartition(b".")
    octets = decode_base64url(signature)
    for position in (0, len(octets) // 2, len(octets) - 1):
        changed = bytearray(octets)
        changed[position] ^= 1
        with pytest.raises(TokenInvalid):
            verify_compact(signing_input + b"." + encode_base64url(bytes(changed)), KeySet([key]))


def test_signatures_are_exactly_as_long_as_the_key_dictates(key: SigningKey) -> None:
    signing_input, _, signature = sign_compact(PAYLOAD, key).encode().rpartition(b".")
    octets = decode_base64url(signature)
    for other in (b"", octets[:-1], octets + b"\0", b"\0" + octets, octets[1:], octets * 2):
        with pytest.raises(TokenInvalid):
            verify_compact(signing_input + b"." + encode_base64url(other), KeySet([key]))


def test_signatures_with_leading_zeros_verify() -> None:
    """r and s below 2**248 and with a high first bit both take the hand-written DER's other branch."""
    for name in ("ES256", "ES384", "ES512"):
        key = SigningKey.generate(name)
        keys = KeySet([key])
        for number in range(300 if name == "ES256" else 20):
            assert verify_compact(sign_compact(b"%d" % number, key), keys) == b"%d" % number


def test_a_header_is_parsed_once_per_key_set(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = KeySet([ED25519])
    verify_compact(TOKEN, keys)
    monkeypatch.setattr("keyturn.tokens.jws.read_header", None)
    assert verify_compact(TOKEN, keys) == PAYLOAD
    with pytest.raises(TypeError):
        verify_compact(TOKEN, KeySet([ED25519]))


def test_only_headers_of_valid_signatures_are_cached_up_to_a_bound(forge) -> None:
    keys = KeySet([ED25519])
    for number in range(200):
        with pytest.raises(TokenInvalid):
            verify_compact(forge(ED25519, x=number)[:-86] + "A" * 86, keys)
    assert not keys.headers
    for number in range(200):
        verify_compact(forge(ED25519, x=number), keys)
    assert 0 < len(keys.headers) <= 64


@pytest.mark.parametrize("token", [None, 7, [], {}, bytearray(b"a.b.c"), object(), TOKEN.split(".")])
def test_a_token_of_another_type_is_malformed(token: object) -> None:
    with pytest.raises(TokenMalformed, match="str or bytes"):
        verify_compact(token, TRUSTED)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "A",
        TOKEN.split(".")[0] + "A",
        "..",
        "...",
        "a.b",
        TOKEN + ".",
        "." + TOKEN,
        TOKEN.replace(".", ""),
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN + "=",
        TOKEN.replace(".", "。"),
        TOKEN + "\0",
        "é.é.é",
        "\ud800.a.a",
        TOKEN.replace("ey", "ey\t", 1),
        "Bearer " + TOKEN,
    ],
)
def test_a_token_without_three_base64url_parts_is_malformed(token: str) -> None:
    with pytest.raises(TokenMalformed):
        verify_compact(token, TRUSTED)


def test_the_byte_cap_is_exact() -> None:
    assert verify_compact(TOKEN, TRUSTED, max_bytes=len(TOKEN)) == PAYLOAD
    with pytest.raises(TokenMalformed, match="at most"):
        verify_compact(TOKEN, TRUSTED, max_bytes=len(TOKEN) - 1)


def test_an_oversized_token_is_not_signed() -> None:
    with pytest.raises(PayloadRefused, match=str(MAX_TOKEN_BYTES)):
        sign_compact(b"x" * MAX_TOKEN_BYTES, ED25519)
    with pytest.raises(PayloadRefused, match="empty"):
        sign_compact(b"", ED25519)


def test_detached_content_is_malformed(forge) -> None:
    with pytest.raises(TokenMalformed, match="detached"):
        verify_compact(forge(ED25519, payload=b""), TRUSTED)


def test_a_token_without_kid_is_verified_if_one_key_is_eligible(forge) -> None:
    token = forge(ED25519, {"alg": "EdDSA"})
    assert verify_compact(token, TRUSTED) == b"{}"
    with pytest.raises(TokenInvalid, match="has no kid") as refused:
        verify_compact(token, KeySet([ED25519, SigningKey.generate("EdDSA")]))
    assert not isinstance(refused.value, UnknownKey)
    with pytest.raises(TokenInvalid, match="has no kid"):
        verify_compact(token, KeySet())


def test_an_unknown_kid_is_unknown_key_with_the_code_of_token_invalid(forge) -> None:
    with pytest.raises(UnknownKey) as refused:
        verify_compact(forge(ED25519, {"alg": "EdDSA", "kid": "other"}), TRUSTED)
    assert refused.value.code == TokenInvalid.code


@pytest.mark.parametrize(
    ("typ", "accepted"),
    [
        ("at+jwt", "at+jwt"),
        ("application/at+jwt", "at+jwt"),
        ("AT+JWT", "at+jwt"),
        ("JWT", "JWT"),
        ("jwt", "application/JWT"),
        ("application/x/y", "application/x/y"),
        ("text/plain", "text/plain"),
        ("", ""),
    ],
)
def test_a_token_is_accepted_by_the_type_that_it_has_in_any_spelling(forge, typ: str, accepted: str) -> None:
    for keys in (KeySet([ED25519]), TRUSTED):
        assert verify_compact(forge(ED25519, typ=typ), keys, accepted) == b"{}"


TYPES = ("at+jwt", "JWT", "logout+jwt", "dpop+jwt", "", None)


@pytest.mark.parametrize("typ", TYPES)
@pytest.mark.conforms("RFC 8725 3.11", "RFC 8725 3.12")
def test_a_token_of_another_type_is_refused(forge, typ: str | None) -> None:
    header = {"alg": "EdDSA"} | ({"typ": typ} if typ is not None else {})
    token = forge(ED25519, json.dumps(header).encode())
    assert verify_compact(token, TRUSTED, typ) == b"{}"
    for other in (*TYPES, "x+at+jwt", "at"):
        if other != typ:
            with pytest.raises(TokenInvalid, match="typ is"):
                verify_compact(token, TRUSTED, other)


def test_other_header_members_are_allowed(forge) -> None:
    assert verify_compact(forge(ED25519, cty="JWT", nonce=1), TRUSTED) == b"{}"


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"alg": None},
        {"alg": 5},
        {"alg": ["EdDSA"]},
        {"alg": "EdDSA", "typ": 1},
        {"alg": "EdDSA", "cty": []},
        {"alg": "EdDSA", "typ": "x" * 257},
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"",
    ],
)
def test_malformed_headers(forge, header) -> None:
    with pytest.raises(TokenMalformed):
        verify_compact(forge(ED25519, header), TRUSTED)


@given(st.binary(max_size=400) | st.text(max_size=400))
def test_any_input_is_refused_as_malformed_or_invalid(token: bytes | str) -> None:
    with pytest.raises((TokenMalformed, TokenInvalid)):
        verify_compact(token, TRUSTED)


@settings(max_examples=effort(100, 3000))
@given(st.data())
def test_any_mutation_of_a_good_token_is_refused(data: st.DataObject) -> None:
    octets = bytearray(TOKEN.encode())
    position = data.draw(st.integers(0, len(octets) - 1))
    match data.draw(st.sampled_from(["change", "insert", "delete"])):
        case "change":
            octets[position] = data.draw(st.integers(0, 255))
        case "insert":
            octets[position:position] = data.draw(st.binary(min_size=1, max_size=4))
        case _:
            del octets[position : position + data.draw(st.integers(1, 5))]
    if bytes(octets) != TOKEN.encode():
        with pytest.raises((TokenMalformed, TokenInvalid)):
            verify_compact(bytes(octets), TRUSTED)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["alg", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5u", "x5c", "enc", "zip"])


@settings(max_examples=effort(100, 3000))
@given(st.dictionaries(MEMBERS, JSON | st.sampled_from([*ALGORITHMS, "ed", "none"]), max_size=5))
def test_any_header_is_accepted_or_refused_as_malformed_or_invalid(header: dict[str, object]) -> None:
    signing_input = encode_base64url(json.dumps(header).encode()) + b".e30"
    token = signing_input + b"." + encode_base64url(ED25519.sign(signing_input))
    typ = header.get("typ")
    try:
        payload = verify_compact(token, TRUSTED, typ if isinstance(typ, str) else None)
    except (TokenMalformed, TokenInvalid):
        return
    assert header["alg"] == "EdDSA"
    assert header.get("kid", "ed") == "ed"
    assert payload == b"{}"
