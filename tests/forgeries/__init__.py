"""Keys and forged tokens: one key per algorithm, made once; RSA algorithms share one modulus to save time."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from keyturn.tokens import ALGORITHMS, SigningKey, encode_base64url

Forge = Callable[..., str]


@pytest.fixture(scope="session")
def modulus() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def every_key(modulus: rsa.RSAPrivateKey) -> dict[str, SigningKey]:
    def make(name: str) -> SigningKey:
        return SigningKey(name, modulus, name) if name[0] in "RP" else SigningKey.generate(name, name)

    return {name: make(name) for name in ALGORITHMS}


@pytest.fixture(params=sorted(ALGORITHMS))
def key(request: pytest.FixtureRequest, every_key: dict[str, SigningKey]) -> SigningKey:
    return every_key[request.param]


@pytest.fixture
def forge() -> Forge:
    """Return a function that signs any header and payload with a key."""

    def build(
        key: SigningKey, header: dict[str, Any] | bytes | None = None, payload: bytes = b"{}", **more: Any
    ) -> str:
        members = {"alg": key.algorithm, "kid": key.kid, **more} if header is None else header
        encoded = members if isinstance(members, bytes) else json.dumps({"typ": "at+jwt", **members}).encode()
        signing_input = encode_base64url(encoded) + b"." + encode_base64url(payload)
        return (signing_input + b"." + encode_base64url(key.sign(signing_input))).decode()

    return build
