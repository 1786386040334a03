"""A public key used as an HMAC secret.

RFC 8725 section 2.1, CVE-2015-9235, CVE-2016-10555, CVE-2022-29217, CVE-2024-33663.
"""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyturn.errors import ConfigurationError, TokenInvalid
from keyturn.tokens import KeySet, SigningKey, encode_base64url, verify_compact

ASYMMETRIC = ["RS256", "PS256", "ES256", "ES512", "EdDSA"]


def key_files(key: SigningKey) -> dict[str, bytes]:
    """Every form in which the public key is published or stored as a file."""
    public = key.verifying_key._public
    jwk = key.verifying_key.to_jwk()
    forms = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(jwk).encode(),
        "jwk-compact": json.dumps(jwk, separators=(",", ":")).encode(),
        "jwks": json.dumps({"keys": [jwk]}).encode(),
        "private-der": key.private_bytes(),
    }
    if isinstance(public, rsa.RSAPublicKey):
        forms["pkcs1-pem"] = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        forms["pkcs1-der"] = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if not isinstance(public, ec.EllipticCurvePublicKey) or key.algorithm == "ES256":
        forms["openssh"] = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    for name in ("pem", "pkcs1-pem"):
        if name in forms:
            forms[f"{name}-no-newline"] = forms[name].rstrip()
            forms[f"{name}-crlf"] = forms[name].replace(b"\n", b"\r\n")
            forms[f"{name}-body"] = b"".join(forms[name].splitlines()[1:-1])
            forms[f"{name}-indented"] = b"\n  " + forms[name]
    return forms


def raw_forms(key: SigningKey) -> dict[str, bytes]:
    """Bare numbers: nothing tells these from random octets, so only the key's one algorithm stands in the way."""
    public = key.verifying_key._public
    jwk = key.verifying_key.to_jwk()
    member = jwk.get("n", jwk.get("x", ""))
    forms = {"base64url": member.encode(), "thumbprint": key.verifying_key.thumbprint.encode(), "kid": key.kid.encode()}
    if isinstance(public, rsa.RSAPublicKey):
        modulus = public.public_numbers().n
        forms |= {"modulus": modulus.to_bytes(256, "big"), "hex": b"%x" % modulus, "decimal": b"%d" % modulus}
        forms["modulus-zero"] = b"\0" + forms["modulus"]
    elif isinstance(public, ec.EllipticCurvePublicKey):
        forms["point"] = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        forms["compressed"] = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    else:
        forms["raw"] = public.public_bytes_raw()
    return forms


@pytest.mark.parametrize("name", ASYMMETRIC)
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.conforms("ASVS 9.1.2", "RFC 8725 3.1")
def test_a_token_keyed_with_the_public_key_is_refused(every_key: dict[str, SigningKey], name: str, alg: str) -> None:
    key = every_key[name]
    keys = [KeySet([key]), KeySet.from_jwks(KeySet([key]).to_jwks()), KeySet([key, every_key[alg]])]
    for secret in [b"", *key_files(key).values(), *raw_forms(key).values()]:
        for header in ({"alg": alg, "kid": key.kid}, {"alg": alg}):
            signing_input = encode_base64url(json.dumps(header | {"typ": "at+jwt"}).encode()) + b".e30"
            code = hmac.digest(secret, signing_input, getattr(hashlib, f"sha{alg[2:]}"))
            for trusted in keys:
                with pytest.raises(TokenInvalid):
                    verify_compact(signing_input + b"." + encode_base64url(code), trusted)


@pytest.mark.parametrize("name", ASYMMETRIC)
def test_a_key_file_is_refused_as_a_secret(every_key: dict[str, SigningKey], name: str) -> None:
    """CVE-2022-29217 and CVE-2024-33663: formats that a list of PEM prefixes overlooks."""
    for form, secret in key_files(every_key[name]).items():
        with pytest.raises(ConfigurationError) as refused:
            SigningKey("HS256", secret)
        assert "key file" in str(refused.value), form


@pytest.mark.parametrize("name", ASYMMETRIC)
def test_a_public_number_beside_its_key_is_refused_as_a_secret(every_key: dict[str, SigningKey], name: str) -> None:
    key = every_key[name]
    for form, octets in raw_forms(key).items():
        if len(octets) < 32 or form == "kid":
            continue
        try:
            secret = SigningKey("HS256", octets, "secret")
        except ConfigurationError:
            continue
        with pytest.raises(ConfigurationError, match="public"):
            KeySet([key, secret])
