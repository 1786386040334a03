"""Keys and addresses that a token brings along.

RFC 8725 section 3.10, CVE-2018-0114.
"""

import base64
import datetime
import socket
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from keyturn.errors import TokenInvalid
from keyturn.tokens import KeySet, SigningKey, verify_compact

ATTACKER = SigningKey.generate("RS256", "attacker")


def certificate(private: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "auth.example.com")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), 1, start, start + datetime.timedelta(days=999))
    return base64.b64encode(builder.sign(private, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


BROUGHT: list[dict[str, Any]] = [
    {"jwk": ATTACKER.verifying_key.to_jwk()},
    {"jwk": {**ATTACKER.verifying_key.to_jwk(), "kid": "RS256"}},
    {"jku": "https://attacker.example/jwks.json"},
    {"jku": "https://auth.example.com@attacker.example/.well-known/jwks.json"},
    {"jku": "file:///etc/passwd"},
    {"x5u": "https://attacker.example/chain.pem"},
    {"x5u": "http://169.254.169.254/latest/meta-data/"},
    {"x5c": [certificate(ATTACKER._private)]},
    {"x5t": "AAAA", "x5t#S256": "AAAA"},
    {"jwk": "not a key", "x5c": 7, "jku": None},
]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a token made the verifier open a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("builtins.open", refuse)


@pytest.mark.parametrize("brought", BROUGHT)
@pytest.mark.conforms("ASVS 9.1.3", "RFC 8725 3.10")
def test_a_key_that_comes_with_the_token_does_not_verify_it(forge, every_key, brought: dict[str, Any]) -> None:
    keys = KeySet([every_key["RS256"]])
    for kid in ({}, {"kid": "RS256"}, {"kid": "attacker"}):
        with pytest.raises(TokenInvalid):
            verify_compact(forge(ATTACKER, {"alg": "RS256", **kid, **brought}), keys)


@pytest.mark.parametrize("brought", BROUGHT)
def test_a_token_of_ours_is_judged_by_our_key_whatever_it_brings(forge, every_key, brought: dict[str, Any]) -> None:
    ours = every_key["RS256"]
    assert verify_compact(forge(ours, **brought), KeySet([ours])) == b"{}"
