"""The payload guard: refused and accepted payloads. PayloadRefused is its only exception."""

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.claims import RESERVED_CLAIMS
from keyturn.core.payload_guard import MAX_DEPTH, MAX_NODES, MAX_PAYLOAD_CHARS, guard_payload
from keyturn.errors import PayloadRefused

SID = "AbCdEfGhIjKlMnOpQrStuA"

PLAIN = [
    {},
    {"roles": ["admin", "billing:read"], "tenant": "acme", "plan": "pro"},
    {"tenant_id": "2c9f0e5e-1f61-4b3e-9a59-4f1d3a1d2b7c", "uuid": "12345678-1234-1234-1234-123456789012"},
    {"url": "https://example.com:8443/path?x=1#y", "picture": "https://cdn.example.com/a@b.png"},
    {"created": 1764000000, "created_ms": 1764000000123, "at": "2026-11-23T14:57:09.123456Z"},
    {
        "order": 4,
        "account": 12345678901234567890,
        "snowflake": 1159421512341237850,
        "visa_like_but_wrong": 4111111111111112,
    },
    {"email": "ada@example.com", "name": "Ada Lovelace", "email_verified": True},
    {"password_changed_at": 1764000000, "has_password": True, "password_expired": False, "password": None},
    {"otp": True, "otp_enabled": True, "token_version": 3, "max_tokens": 4096, "tokens": 12, "token_type": "access"},
    {"permissions": {"secrets": ["read"], "tokens": ["read", "write"]}},
    {"credential": "session", "cookie_consent": "accepted", "pinned": "x", "shipping": "fast", "panel": "left"},
    {"phone": "+49 1512 3456789", "version": "1.2.3.4567890123456", "part": "4111-AB-1111"},
    {"ratio": 0.5, "negative": -1, "flag": False, "none": None, "nested": {"a": [{"b": [1]}]}},
    {"cnf": {"jwk": {"kty": "EC", "crv": "P-256", "x": "abc", "y": "def"}}},
    {"note": "eyJ is how tokens begin", "kt": "kt_session_ is a prefix", "dollar": "$5 or $10", "password": ""},
    {"grüße": "schön", "kanji": "日本語", "emoji": "🙂", "arabic": "٤١١١"},
    {"api_keys": [], "backup_codes": [], "recovery_codes": ()},
    {"user": {"id": 7, "email": "ada@example.com", "locale": "en"}},
    {"sub_tenant": "x", "scope_hint": "y", "big": 2**64 - 1, "small": -(2**63)},
]


@pytest.mark.parametrize("claims", PLAIN, ids=lambda claims: ",".join(claims) or "none")
def test_ordinary_claims_pass(claims: dict[str, object]) -> None:
    guard_payload(claims)
    guard_payload(MappingProxyType(claims))


def test_lists_and_tuples_are_both_lists() -> None:
    guard_payload({"roles": ("a", "b")})


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_a_claim_keyturn_writes_itself_may_not_be_brought_along(name: str) -> None:
    with pytest.raises(PayloadRefused, match=name):
        guard_payload({name: "x"})
    guard_payload({"nested": {name: "x"}})


@pytest.mark.parametrize(
    "name",
    [
        *("password", "Password", "passwd", "pwd", "user_password", "userPassword", "passwordHash", "password_hashed"),
        *("password1", "passphrase", "passcode", "secret", "client_secret", "clientSecret", "CLIENT-SECRET", "secrets"),
        *("api_key", "apikey", "apiKey", "APIKey", "x-api-key", "private_key", "privateKeyPem"),
        *(
            "secret_key",
            "aws_secret_access_key",
            "encryption_key",
            "token",
            "accessToken",
            "refresh_token",
            "auth-token",
        ),
        *(
            "tokens",
            "token_value",
            "mnemonic",
            "cvv",
            "cvv2",
            "cvc",
            "ssn",
            "social_security_number",
            "otp",
            "totp",
            "pin",
        ),
        *("card_number", "creditCardNumber", "cardnumber", "otp_hash", "secret_base64", "pan"),
    ],
)
def test_text_under_a_secret_name_is_refused_wherever_it_stands(name: str) -> None:
    for claims in ({name: "hunter2"}, {"user": {name: "hunter2"}}, {"users": [{name: "hunter2"}]}):
        with pytest.raises(PayloadRefused, match="has the name of a secret") as refused:
            guard_payload(claims)
        assert name in refused.value.detail
        assert "hunter2" not in refused.value.detail


@pytest.mark.parametrize("name", ["cvv", "cvc2", "ssn", "otp", "pin", "card_number"])
def test_a_number_under_the_name_of_a_secret_number_is_refused(name: str) -> None:
    with pytest.raises(PayloadRefused, match=name):
        guard_payload({name: 123})


@pytest.mark.parametrize("name", ["recovery_codes", "backupCodes", "passwords", "api_keys"])
def test_a_list_of_secrets_is_refused(name: str) -> None:
    with pytest.raises(PayloadRefused, match=name):
        guard_payload({name: ["aaaa"]})


BCRYPT = "$2b$12$" + "abcdefghijklmnopqrstuv" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
# Put together here so that no scanner takes this file for a leak.
LEAKS = [
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
    BCRYPT,
    "$scrypt$ln=16,r=8,p=1$abc$def",
    "scrypt:32768:8:1$salt$hash",
    "pbkdf2:sha256:600000$salt$abcdef",
    "$pbkdf2-sha256$29000$abc$def",
    "pbkdf2_sha256$870000$salt$hash=",
    "bcrypt_sha256$$2b$12$abc".replace("$$", "$x$"),
    "argon2$argon2id$v=19$m=102400,t=2,p=8$abc$def",
    "$6$saltsalt$" + "a" * 86,
    "$y$j9T$salt$hash",
    "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
    "-----BEGIN PRIVATE KEY-----\nMIIB",
    "-----BEGIN CERTIFICATE-----\nMIIB",
    "AGE-SECRET-KEY-1QQQ",
    f"kt_session_{SID}.0.abc",
    f"see kt_refresh_{SID}.12.{'A' * 52}",
    f"kt_device_{SID}.abc",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "eyJhbGciOiJkaXIifQ..iv.text.tag",
    "Bearer abcdefghijkl",
    "basic dXNlcjpwYXNz",
    "AK" + "IAIOSFODNN7EXAMPLE",
    "gh" + "p_" + "a" * 36,
    "github" + "_pat_" + "a" * 22,
    "gl" + "pat-" + "a" * 20,
    "sk" + "_live_" + "a" * 24,
    "rk" + "_test_" + "a" * 24,
    "xo" + "xb-1234567890-abcdef",
    "AI" + "za" + "a" * 35,
    "ya" + "29." + "a" * 30,
    "GOC" + "SPX-" + "a" * 24,
    "np" + "m_" + "a" * 36,
    "sk" + "-proj-" + "a" * 30,
    "S" + "G." + "a" * 22 + "." + "b" * 43,
    "hf" + "_" + "a" * 34,
    "https://hooks.slack.com/" + "services/T0/B0/x",
    "postgresql://app:s3cret@db/prod",
    "redis://:s3cret@cache:6379/0",
]


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak[:18])
def test_a_value_that_looks_like_a_secret_is_refused_under_any_name(leak: str) -> None:
    for claims in ({"note": leak}, {"a": {"b": [leak]}}, {leak: 1}):
        with pytest.raises(PayloadRefused, match=r"looks like") as refused:
            guard_payload(claims)
        assert leak not in refused.value.detail
        assert ";" in refused.value.detail, "says what to store instead"


CARDS = [
    *(
        "4111111111111111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "371449635398431",
    ),
    *(
        "6011111111111117",
        "30569309025904",
        "38520000023237",
        "3530111333300000",
        "6200000000000005",
        "6759649826438453",
    ),
]


@pytest.mark.parametrize("card", CARDS)
def test_a_card_number_is_refused_as_text_as_number_and_with_separators(card: str) -> None:
    four = " ".join(card[at : at + 4] for at in range(0, len(card), 4))
    spellings: list[object] = [card, int(card), f"card: {card}.", f"no {card}, exp 12/29"]
    if len(card) == 16:
        spellings += [four, four.replace(" ", "-"), f"my card is {four} ok"]
    if len(card) == 15:
        spellings += [f"{card[:4]} {card[4:10]} {card[10:]}"]
    for spelling in spellings:
        with pytest.raises(PayloadRefused, match="card number"):
            guard_payload({"memo": spelling})


@pytest.mark.parametrize("card", CARDS)
@given(by=st.integers(1, 9))
def test_a_number_that_fails_luhn_is_no_card(card: str, by: int) -> None:
    guard_payload({"memo": card[:-1] + str((int(card[-1]) + by) % 10)})


@pytest.mark.parametrize(
    "text",
    [
        "x4111111111111111",
        "4111111111111111x",
        "41111111111111110000",
        "+4111111111111111",
        "4111 11111111 1111",
        "0000000000000000",
    ],
)
def test_a_card_number_within_longer_digits_passes(text: str) -> None:
    guard_payload({"memo": text})


def test_a_private_jwk_is_refused_and_a_public_one_is_not() -> None:
    with pytest.raises(PayloadRefused, match="private key"):
        guard_payload({"cnf": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "a", "d": "b"}}})
    with pytest.raises(PayloadRefused, match="private key"):
        guard_payload({"jwk": {"kty": "oct", "k": "b"}})


def test_a_whole_user_record_is_refused_and_two_of_its_fields_are_not() -> None:
    user = {"id": 1, "email": "ada@example.com", "firstName": "Ada", "last_name": "Lovelace"}
    with pytest.raises(PayloadRefused, match="user record"):
        guard_payload({"user": user})
    with pytest.raises(PayloadRefused, match="user record"):
        guard_payload(user)
    guard_payload({"user": {**user, "email": None}})
    guard_payload({"address": "x", "street": "y", "city": "z", "zip": "1"})


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), b"bytes", object(), {1, 2}, MappingProxyType({}), 2**64, -(2**63) - 1]
)
def test_a_value_that_json_cannot_represent_is_refused(value: object) -> None:
    for claims in ({"a": value}, {"a": [value]}):
        with pytest.raises(PayloadRefused, match="'a"):
            guard_payload(claims)


def test_names_are_text() -> None:
    with pytest.raises(PayloadRefused, match="key of type int"):
        guard_payload({"a": {1: "x"}})


def test_a_lone_surrogate_is_refused_in_names_and_values() -> None:
    for claims in ({"a": "\ud800"}, {"\udfff": 1}):
        with pytest.raises(PayloadRefused, match="surrogate"):
            guard_payload(claims)


def test_size_depth_and_number_of_values_are_bounded() -> None:
    deep: object = 1
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    guard_payload({"a": deep})
    with pytest.raises(PayloadRefused, match="or 5 levels"):
        guard_payload({"a": [deep]})
    guard_payload({"a": [0] * (MAX_NODES - 2)})
    with pytest.raises(PayloadRefused, match="more than 256 values"):
        guard_payload({"a": [0] * 1_000_000})
    with pytest.raises(PayloadRefused, match="more than 256 values"):
        guard_payload({str(each): each for each in range(MAX_NODES + 1)})
    guard_payload({"a": "x" * (MAX_PAYLOAD_CHARS - 8)})
    with pytest.raises(PayloadRefused, match="2049 characters of JSON"):
        guard_payload({"a": "x" * (MAX_PAYLOAD_CHARS - 7)})
    with pytest.raises(PayloadRefused, match="has 2049 characters"):
        guard_payload({"a": "x" * (MAX_PAYLOAD_CHARS + 1)})


def test_a_structure_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(PayloadRefused):
        guard_payload({"a": loop})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_any_json_is_refused_or_can_be_serialised(claims: dict[str, object]) -> None:
    try:
        guard_payload(claims)
    except PayloadRefused:
        return
    assert json.loads(json.dumps(claims, allow_nan=False).encode()) == claims
