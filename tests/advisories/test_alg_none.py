"""Unsigned tokens: `alg: none` in every spelling.

RFC 8725 section 2.1, CVE-2015-9235, CVE-2018-1000531, CVE-2020-28042.
"""

from itertools import product

import pytest

from keyturn.errors import ConfigurationError, TokenInvalid, TokenMalformed
from keyturn.tokens import KeySet, SigningKey, encode_base64url, verify_compact

CASES = sorted({"".join(letters) for letters in product("nN", "oO", "nN", "eE")})
SPELLINGS = [*CASES, " none", "none ", "none\0", "nonE\n", "n\u043ene", "\uff4eone", "", "null", "undefined", "NULL"]


@pytest.mark.parametrize("alg", SPELLINGS)
@pytest.mark.conforms("ASVS 9.1.2", "RFC 8725 3.2")
def test_none_is_refused_in_any_spelling_with_any_signature(forge, key: SigningKey, alg: str) -> None:
    keys = KeySet([key])
    for header in ({"alg": alg}, {"alg": alg, "kid": key.kid}):
        signed = forge(key, header)
        unsigned = signed.rpartition(".")[0] + "."
        for token in (signed, unsigned, unsigned + "AA", unsigned + "A" * 86):
            with pytest.raises(TokenInvalid):
                verify_compact(token, keys)


@pytest.mark.parametrize("alg", [None, False, 0, [], {}, ["none"], ["EdDSA"], {"alg": "EdDSA"}])
def test_an_alg_that_is_no_text_is_malformed(forge, key: SigningKey, alg: object) -> None:
    with pytest.raises(TokenMalformed):
        verify_compact(forge(key, {"alg": alg, "kid": key.kid}), KeySet([key]))


def test_a_missing_alg_is_malformed(forge, key: SigningKey) -> None:
    with pytest.raises(TokenMalformed):
        verify_compact(forge(key, {"kid": key.kid}), KeySet([key]))


def test_an_empty_signature_fits_no_key(key: SigningKey) -> None:
    for header in (b'{"alg":"%b","typ":"at+jwt"}' % key.algorithm.encode(), b'{"alg":"none","typ":"at+jwt"}'):
        token = encode_base64url(header) + b".e30."
        with pytest.raises(TokenInvalid):
            verify_compact(token, KeySet([key]))


@pytest.mark.parametrize("alg", SPELLINGS)
def test_no_key_can_be_made_for_it(alg: str) -> None:
    with pytest.raises(ConfigurationError):
        SigningKey.generate(alg)
