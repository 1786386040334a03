"""One name, two values: what one parser checks and another uses.

RFC 7515 section 4, RFC 7519 section 4, CVE-2017-12635.
"""

import pytest

from keyturn.errors import ConfigurationError, TokenMalformed
from keyturn.tokens import KeySet, SigningKey, decode_object, verify_compact


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"%s","alg":"none"}',
        '{"alg":"none","alg":"%s"}',
        '{"alg":"%s","\\u0061lg":"none"}',
        '{"alg":"%s","kid":"a","kid":"b"}',
        '{"alg":"%s","crit":["x"],"crit":["x"]}',
        '{"alg":"%s","jwk":{"kty":"oct","kty":"RSA"}}',
        '{"alg":"%s","x":[{"y":1,"y":2}]}',
        '{ "alg" : "%s" , "alg" : "none" }',
    ],
)
def test_a_repeated_header_member_is_malformed(forge, key: SigningKey, header: str) -> None:
    with pytest.raises(TokenMalformed, match="repeated"):
        verify_compact(forge(key, (header % key.algorithm).encode()), KeySet([key]))


@pytest.mark.parametrize(
    "claims",
    [
        b'{"sub":"ada","sub":"admin"}',
        b'{"sub":"ada","s\\u0075b":"admin"}',
        b'{"exp":1,"exp":9999999999}',
        b'{"cnf":{"jkt":"a","jkt":"b"}}',
        b'{"sub":"ada","sub":"ada"}',
    ],
)
def test_a_repeated_claim_is_malformed(claims: bytes) -> None:
    with pytest.raises(TokenMalformed, match="repeated"):
        decode_object(claims)


def test_a_repeated_member_in_a_key_set_is_refused() -> None:
    for document in ('{"keys":[],"keys":[]}', '{"keys":[{"kty":"OKP","kty":"oct"}]}'):
        with pytest.raises(ConfigurationError, match="repeated"):
            KeySet.from_jwks(document)
