"""`kid` is a name among ours and nothing else: no path, no query, no address (RFC 8725 section 3.10)."""

import pytest

from keyturn.errors import TokenInvalid, TokenMalformed, UnknownKey
from keyturn.tokens import KeySet, SigningKey, verify_compact

INJECTIONS = [
    "../../../../dev/null",
    "/dev/null",
    "/proc/sys/kernel/randomize_va_space",
    "file:///etc/passwd",
    "https://attacker.example/key.pem",
    "x' UNION SELECT 'secret';--",
    "' OR 1=1 --",
    "key;sleep 10",
    "|/usr/bin/id",
    "$(id)",
    "${jndi:ldap://attacker.example/a}",
    "{{7*7}}",
    "%2e%2e%2f",
    "__class__",
    "",
    " ",
    "\0",
    "EdDSA\0",
    "EdDSA ",
    "eddsa",
    "\u0415dDSA",
    "k" * 256,
]


@pytest.mark.parametrize("kid", INJECTIONS)
@pytest.mark.conforms("RFC 8725 3.10")
def test_an_injected_kid_is_an_unknown_one(forge, key: SigningKey, kid: str) -> None:
    with pytest.raises(UnknownKey):
        verify_compact(forge(key, {"alg": key.algorithm, "kid": kid}), KeySet([key]))


@pytest.mark.parametrize("kid", [None, 0, 1, True, 1.5, [], ["EdDSA"], {}, {"$ne": None}, "k" * 257, "k" * 4000])
def test_a_kid_that_is_no_short_text_is_malformed(forge, key: SigningKey, kid: object) -> None:
    with pytest.raises(TokenMalformed):
        verify_compact(forge(key, {"alg": key.algorithm, "kid": kid}), KeySet([key]))


def test_a_huge_kid_is_malformed_before_it_is_decoded(forge, key: SigningKey) -> None:
    with pytest.raises(TokenMalformed, match="at most"):
        verify_compact(forge(key, {"alg": key.algorithm, "kid": "k" * 1_000_000}), KeySet([key]))


def test_a_signature_is_checked_with_the_key_that_kid_names(forge, every_key: dict[str, SigningKey]) -> None:
    other = SigningKey.generate("EdDSA", "other")
    with pytest.raises(TokenInvalid, match="is not valid for key"):
        verify_compact(forge(every_key["EdDSA"], {"alg": "EdDSA", "kid": "other"}), KeySet([every_key["EdDSA"], other]))
