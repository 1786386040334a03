"""Many texts for one token: a denylist or a cache keyed by the text is walked around.

RFC 4648 section 3.5, RFC 7515 section 2.
"""

import pytest

from keyturn.errors import TokenMalformed, Unauthenticated
from keyturn.tokens import KeySet, SigningKey, sign_compact, verify_compact

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize("payload", [b'{"sub":"a"}', b'{"sub":"ab"}', b'{"sub":"abc"}'])
def test_no_other_last_character_of_any_part_is_accepted(key: SigningKey, payload: bytes) -> None:
    """Trailing bits: up to sixteen last characters decode to the same octets where they are not judged."""
    keys, parts = KeySet([key]), sign_compact(payload, key).split(".")
    assert verify_compact(".".join(parts), keys) == payload
    for index in range(3):
        for last in ALPHABET:
            changed = [*parts]
            changed[index] = parts[index][:-1] + last
            if changed != parts:
                with pytest.raises(Unauthenticated):
                    verify_compact(".".join(changed), keys)


@pytest.mark.parametrize(
    "extra", ["=", "==", "===", " ", "\n", "\r\n", "\t", "\0", "%3D", "\u200b", "\x7f", "é", "+", "/", "!", '"', "\\"]
)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_padding_and_foreign_characters_are_malformed_everywhere(key: SigningKey, extra: str, index: int) -> None:
    parts = sign_compact(b'{"sub":"ada"}', key).split(".")
    for spelled in (parts[index] + extra, extra + parts[index], parts[index][:2] + extra + parts[index][2:]):
        changed = [*parts]
        changed[index] = spelled
        with pytest.raises(TokenMalformed):
            verify_compact(".".join(changed), KeySet([key]))


def test_the_standard_alphabet_is_malformed(key: SigningKey) -> None:
    keys = KeySet([key])
    for number in range(300):
        token = sign_compact(b'{"sub":"\xc3\xbf\xc3\xbe%d"}' % number, key)
        standard = token.replace("-", "+").replace("_", "/")
        if standard != token:
            with pytest.raises(TokenMalformed):
                verify_compact(standard, keys)
            return
    pytest.fail("no token held a character in which the alphabets differ")


def test_an_impossible_base64_length_is_malformed(key: SigningKey) -> None:
    for token in ("A.AA.AA", "AAAAA.AA.AA", "e30.A.AA"):
        with pytest.raises(TokenMalformed):
            verify_compact(token, KeySet([key]))
