"""Secrets that are guessed offline from one token (RFC 8725 sections 2.2 and 3.5, RFC 7518 section 3.2)."""

import base64

import pytest

from keyturn.errors import ConfigurationError
from keyturn.tokens import SigningKey
from keyturn.tokens.weak_secrets import PUBLISHED_SECRETS

SIZES = {"HS256": 32, "HS384": 48, "HS512": 64}
SHORT = [
    "",
    "secret",
    "password",
    "changeme",
    "your-256-bit-secret",
    "keyboard cat",
    "shhhhh",
    "supersecretkey",
    "s3cr3t",
    "jwt",
]
GUESSABLE = [
    "supersecretkeysupersecretkeysupersecretkey",
    "secretsecretsecretsecretsecretsecretsecret",
    "this-is-my-secret-change-me-in-production!!",
    "django-insecure-secret-secret-key-changeme",
    "0123456789012345678901234567890123456789",
    "12345678901234567890123456789012",
    "abcdefghijklmnopqrstuvwxyzabcdef",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "qwertyuiopasdfghjklzxcvbnmqwertyuiop",
    "00000000-0000-0000-0000-000000000000",
    "correcthorse" + "0" * 40,
    "passwordpasswordpasswordpassword1",
    "changemechangemechangemechangeme",
    "jwt_secret_key_for_development_only_12345",
]


@pytest.mark.parametrize("algorithm", SIZES)
@pytest.mark.parametrize("secret", SHORT)
def test_short_secrets_are_refused_bare_repeated_and_padded(algorithm: str, secret: str) -> None:
    size, bare = SIZES[algorithm], secret.encode()
    repeated = (bare * size)[: size + 8]
    for form in (bare, repeated, bare.ljust(size, b"\0"), bare.ljust(size), bare.ljust(size, b"="), bare + b"1" * size):
        with pytest.raises(ConfigurationError, match="HS"):
            SigningKey(algorithm, form)


@pytest.mark.parametrize("secret", GUESSABLE)
@pytest.mark.conforms("RFC 8725 3.5")
def test_guessable_secrets_of_sufficient_length_are_refused(secret: str) -> None:
    for form in (secret, secret.upper(), secret.title(), secret + "\n"):
        with pytest.raises(ConfigurationError):
            SigningKey("HS256", form.encode())


@pytest.mark.parametrize("secret", PUBLISHED_SECRETS)
def test_published_secrets_are_refused_in_every_spelling(secret: str) -> None:
    bare = secret.encode()
    forms = [
        bare,
        bare.upper(),
        bare + b"\n",
        bare + bare,
        b"my-" + bare + b"-2026",
        base64.b64encode(bare),
        bare.hex().encode(),
    ]
    for form in forms:
        with pytest.raises(ConfigurationError):
            SigningKey("HS256", form)


@pytest.mark.parametrize(
    "filler", [b"\0", b"\xff", b"\x01\x02", bytes(range(32)), bytes(range(31, -1, -1)), bytes(range(0, 64, 2))]
)
def test_patterns_are_refused(filler: bytes) -> None:
    for algorithm, size in SIZES.items():
        with pytest.raises(ConfigurationError, match="guessable"):
            SigningKey(algorithm, (filler * size)[:size])
