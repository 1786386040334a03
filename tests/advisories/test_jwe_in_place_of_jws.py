"""Another kind of object where a compact JWS is expected: JWE (CVE-2022-3102), JSON (CVE-2022-39227)."""

import json

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey, RSAKey

from keyturn.errors import TokenInvalid, TokenMalformed
from keyturn.tokens import KeySet, SigningKey, encode_base64url, sign_compact, verify_compact


def test_a_token_encrypted_to_our_public_key_is_malformed(every_key: dict[str, SigningKey]) -> None:
    """Anyone can encrypt to a public key: decrypting well proves nothing about who wrote it."""
    key = every_key["RS256"]
    public = RSAKey.import_key(key.verifying_key._public)
    token = jwe.encrypt_compact({"alg": "RSA-OAEP", "enc": "A128GCM", "kid": key.kid}, b'{"sub":"admin"}', public)
    with pytest.raises(TokenMalformed):
        verify_compact(token, KeySet([key]))


def test_a_token_encrypted_with_our_secret_is_malformed(every_key: dict[str, SigningKey]) -> None:
    key = every_key["HS256"]
    secret = OctKey.import_key(key.private_bytes()[:16])
    token = jwe.encrypt_compact({"alg": "dir", "enc": "A128GCM", "kid": key.kid}, b"{}", secret)
    with pytest.raises(TokenMalformed):
        verify_compact(token, KeySet([key]))


def test_an_encrypted_tokens_header_on_three_parts_is_refused(forge, key: SigningKey) -> None:
    """RFC 7516 section 9: `enc` tells a JWE."""
    for header in (
        {"alg": key.algorithm, "kid": key.kid, "enc": "A256GCM"},
        {"alg": "dir", "enc": "A256GCM", "kid": key.kid},
        {"alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF"},
        {"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2**31 - 1, "p2s": "AAAA"},
    ):
        with pytest.raises(TokenInvalid):
            verify_compact(forge(key, header), KeySet([key]))


@pytest.mark.parametrize("parts", [0, 1, 2, 4, 5, 6, 100])
def test_any_other_number_of_parts_is_malformed(key: SigningKey, parts: int) -> None:
    signed = sign_compact(b"{}", key).split(".")
    with pytest.raises(TokenMalformed):
        verify_compact(".".join((signed * 40)[:parts]), KeySet([key]))


def test_json_serializations_are_malformed(key: SigningKey) -> None:
    """CVE-2022-39227: a text that is both, so that one half is verified and the other used."""
    header, payload, signature = sign_compact(b'{"sub":"ada"}', key).split(".")
    flattened = {"protected": header, "payload": payload, "signature": signature}
    polyglot = '{" ' + header + "." + payload + "." + signature + '":"","protected":"' + header + '"}'
    general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    for token in (
        json.dumps(flattened),
        json.dumps(general),
        polyglot,
        "{" + ".".join((header, payload, signature)) + "}",
    ):
        with pytest.raises(TokenMalformed):
            verify_compact(token, KeySet([key]))


def test_detached_content_is_not_accepted(key: SigningKey) -> None:
    header, _, signature = sign_compact(b"{}", key).split(".")
    with pytest.raises(TokenMalformed):
        verify_compact(f"{header}..{signature}", KeySet([key]))
    over_nothing = encode_base64url(key.sign(header.encode() + b".")).decode()
    with pytest.raises(TokenMalformed, match="detached"):
        verify_compact(f"{header}..{over_nothing}", KeySet([key]))
