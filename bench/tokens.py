"""Cost of an access token check, seen before and first seen, beside other libraries and the bare primitive."""

import hmac
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from bench.figures import Figure, Goal
from bench.sampling import Plan, Side, alternate, pin_to_core
from keyturn import KeySet, Verifier
from keyturn.core.freshness import Freshness
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationSet
from keyturn.tokens import SigningKey, sign_compact

ISSUER, AUDIENCE = "https://auth.example.com", "orders"
ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
FIRST_SEEN = {"RS256": 1.25, "ES256": 1.10, "EdDSA": 1.08}
"""Goals as multiples of the bare primitive."""
MAX_TOKENS = 300
"""Number of distinct tokens per sample; each can be seen for the first time only once."""

KEYTURN, PRIMITIVE = "Keyturn", "cryptography, bare"
CHAPTER = "Access token check"


WHY = "strict parsing, the claims checks, the principal and its cache entry cost about 7 µs beside the primitive"


class FixedFeed:
    """Feed that is always fresh and holds a thousand revocations."""

    def __init__(self, now: int) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(5.0, float("inf"))
        for number in range(1000):
            self.revocations.apply(
                Revocation(RevocationKind.SESSION, f"{number:022}", ENDED, now, now + 600, number + 1)
            )


@dataclass
class TokenFixture:
    """Signing key with tokens signed by it, for the verifiers of all libraries."""

    algorithm: str
    key: SigningKey
    tokens: list[bytes]
    feed: FixedFeed

    @classmethod
    def open(cls, algorithm: str, count: int) -> "TokenFixture":
        key, now = SigningKey.generate(algorithm), int(time.time())
        tokens = [sign_compact(msgspec.json.encode(claims(now, number)), key).encode() for number in range(count)]
        return cls(algorithm, key, tokens, FixedFeed(now))

    @property
    def public(self) -> Any:
        return self.key.verifying_key._public

    def verifier(self) -> Verifier:
        return Verifier(ISSUER, AUDIENCE, keys=KeySet([self.key]), feed=self.feed)


def claims(now: int, number: int = 0) -> dict[str, object]:
    """Return the claims that the issuer writes into an access token."""
    return {
        "iss": ISSUER,
        "sub": "Qm9vc3RfYXNfb3BhcXVlXw",
        "aud": AUDIENCE,
        "exp": now + 3600,
        "iat": now,
        "jti": f"{number:016}",
        "client_id": "default",
        "sid": "AbCdEfGhIjKlMnOpQrStuA",
        "gen": 3,
        "scope": "read write",
        "auth_time": now,
        "acr": "aal1",
        "amr": ["pwd"],
    }


def steps(plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return plan.rounds * len(ALGORITHMS)


def measure(plan: Plan) -> list[Figure]:
    """Measure every algorithm, with tokens seen before and first seen."""
    with pin_to_core():
        return [each for algorithm in ALGORITHMS for each in _measure(TokenFixture.open(algorithm, MAX_TOKENS), plan)]


def _measure(fixture: TokenFixture, plan: Plan) -> list[Figure]:
    sides = [
        Side("seen before", _each_text, lambda count: (_warm_verifier(fixture), fixture.tokens[:1] * count)),
        Side(KEYTURN, _each_text, lambda count: (fixture.verifier(), fixture.tokens[:count]), MAX_TOKENS),
        Side("PyJWT", _each_text, lambda count: (_pyjwt(fixture), fixture.tokens[:count]), MAX_TOKENS),
        Side("joserfc", _each_text, lambda count: (_joserfc(fixture), fixture.tokens[:count]), MAX_TOKENS),
        Side(PRIMITIVE, _each, lambda count: (_primitive(fixture), _signed(fixture, count)), MAX_TOKENS),
    ]
    cached, *first_seen = alternate(sides, plan)
    cached.name = KEYTURN
    before = Figure(CHAPTER, f"{fixture.algorithm}, seen before", "µs", [cached, *first_seen[1:]])
    first = Figure(CHAPTER, f"{fixture.algorithm}, first seen", "µs", first_seen)
    before.goals = [Goal("at most 1 µs", cached.middle, 1.0), Goal("1/40 of PyJWT", before.ratio_to("PyJWT"), 1 / 40)]
    if fixture.algorithm == "HS256":
        first.goals = [Goal("0.13x PyJWT", first.ratio_to("PyJWT"), 0.13, why=WHY)]
    else:
        limit = FIRST_SEEN[fixture.algorithm]
        first.goals = [Goal(f"{limit:.2f}x the primitive", first.ratio_to(PRIMITIVE), limit, why=WHY)]
    return [before, first]


def _each(material: tuple[Callable[[Any], object], list[Any]]) -> None:
    check, tokens = material
    for each in tokens:
        check(each)


def _each_text(material: tuple[Callable[[str], object], list[bytes]]) -> None:
    # A new string each time, as from a socket: Python has not cached its hash yet.
    check, tokens = material
    for each in tokens:
        check(each.decode())


def _warm_verifier(fixture: TokenFixture) -> Verifier:
    verifier = fixture.verifier()
    verifier(fixture.tokens[0].decode())
    return verifier


def _pyjwt(fixture: TokenFixture) -> Callable[[str], object]:
    options, leeway = {"require": ["exp", "iat", "sub"]}, 5
    # A loaded key, not PEM: the fastest way to call it.
    return lambda token: jwt.decode(
        token,
        fixture.public,
        algorithms=[fixture.algorithm],
        audience=AUDIENCE,
        issuer=ISSUER,
        leeway=leeway,
        options=options,
    )


def _joserfc(fixture: TokenFixture) -> Callable[[str], object]:
    kinds = {"HS256": OctKey, "RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}
    source = fixture.key.private_bytes() if fixture.algorithm == "HS256" else _pem(fixture)
    key, algorithms = kinds[fixture.algorithm].import_key(source), [fixture.algorithm]
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}, exp={"essential": True}
    )

    def check(token: str) -> None:
        registry.validate(joserfc_jwt.decode(token, key, algorithms=algorithms).claims)

    return check


def _pem(fixture: TokenFixture) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem: bytes = fixture.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def _signed(fixture: TokenFixture, count: int) -> list[tuple[bytes, bytes]]:
    """Return pairs of signature and signing input, parsed in advance."""
    pairs = []
    for token in fixture.tokens[:count]:
        signing_input, _, encoded = token.rpartition(b".")
        signature = urlsafe_b64decode(encoded + b"==")
        if fixture.algorithm == "ES256":
            numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            signature = encode_dss_signature(*numbers)
        pairs.append((signature, signing_input))
    return pairs


def _primitive(fixture: TokenFixture) -> Callable[[tuple[bytes, bytes]], object]:
    public, digest = fixture.public, hashes.SHA256()
    if isinstance(public, bytes):
        return lambda signed: hmac.compare_digest(hmac.digest(public, signed[1], "sha256"), signed[0])
    if isinstance(public, rsa.RSAPublicKey):
        pad = padding.PKCS1v15()
        return lambda signed: public.verify(signed[0], signed[1], pad, digest)
    if isinstance(public, ec.EllipticCurvePublicKey):
        ecdsa = ec.ECDSA(digest)
        return lambda signed: public.verify(signed[0], signed[1], ecdsa)
    assert isinstance(public, Ed25519PublicKey)
    return lambda signed: public.verify(signed[0], signed[1])
