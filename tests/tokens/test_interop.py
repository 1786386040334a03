"""Tokens and keys of other people's libraries, both ways: PyJWT and joserfc."""

import json

import jwt
import pytest
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from joserfc.jws import JWSRegistry

from keyturn.tokens import KeySet, SigningKey, encode_base64url, sign_compact, verify_compact

CLAIMS = {"sub": "ada", "aud": "orders"}
PAYLOAD = json.dumps(CLAIMS).encode()


def joserfc_key(key: SigningKey) -> joserfc_jwk.Key:
    if key.symmetric:
        return joserfc_jwk.OctKey.import_key({"kty": "oct", "k": encode_base64url(key.private_bytes()).decode()})
    kind = {"R": joserfc_jwk.RSAKey, "P": joserfc_jwk.RSAKey, "E": joserfc_jwk.ECKey}[key.algorithm[0]]
    return (joserfc_jwk.OKPKey if key.algorithm == "EdDSA" else kind).import_key(key._private)


def registry(key: SigningKey) -> JWSRegistry:
    return JWSRegistry(algorithms=[key.algorithm])


def test_pyjwt_reads_ours(key: SigningKey) -> None:
    public = key.verifying_key._public
    assert jwt.decode(sign_compact(PAYLOAD, key), public, algorithms=[key.algorithm], audience="orders") == CLAIMS


def test_pyjwt_reads_our_published_keys(every_key: dict[str, SigningKey]) -> None:
    keys = jwt.PyJWKSet.from_dict(KeySet(every_key.values()).to_jwks())
    for key in every_key.values():
        if not key.symmetric:
            token = sign_compact(PAYLOAD, key)
            assert jwt.decode(token, keys[key.kid], algorithms=[key.algorithm], audience="orders") == CLAIMS


def test_we_read_pyjwts(key: SigningKey) -> None:
    private = key._private
    token = jwt.encode(CLAIMS, private, algorithm=key.algorithm, headers={"kid": key.kid, "typ": "at+jwt"})
    assert json.loads(verify_compact(token, KeySet([key]))) == CLAIMS


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # EdDSA is deprecated for Ed25519 by RFC 9864
def test_joserfc_reads_ours(key: SigningKey) -> None:
    read = joserfc_jws.deserialize_compact(sign_compact(PAYLOAD, key), joserfc_key(key), registry=registry(key))
    assert read.payload == PAYLOAD


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_we_read_joserfcs(key: SigningKey) -> None:
    header = {"alg": key.algorithm, "kid": key.kid, "typ": "at+jwt"}
    token = joserfc_jws.serialize_compact(header, PAYLOAD, joserfc_key(key), registry=registry(key))
    assert verify_compact(token, KeySet([key])) == PAYLOAD


def test_we_read_joserfcs_published_keys(every_key: dict[str, SigningKey]) -> None:
    for name in ("RS256", "ES256", "ES384", "ES512", "EdDSA"):
        published = {**joserfc_key(every_key[name]).as_dict(private=False), "kid": name}
        keys = KeySet.from_jwks({"keys": [published]})
        assert verify_compact(sign_compact(PAYLOAD, every_key[name]), keys) == PAYLOAD
        assert joserfc_key(every_key[name]).thumbprint() == every_key[name].verifying_key.thumbprint
