"""Our verifier reads what other programs mint with a key we trust, and refuses what was changed on the way."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from end_to_end.node import Ask, node
from keyturn import Verifier
from keyturn.core.freshness import Freshness
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant
from keyturn.errors import Refusal, TokenExpired, TokenInvalid, TokenRevoked
from keyturn.tokens import KeySet

# RFC 9864 names the curve in the algorithm; until others read "Ed25519", "EdDSA" it is.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")

ISSUER, AUDIENCE = "https://theirs.example", "orders"
SID = "AbCdEfGhIjKlMnOpQrStuA"
ALGORITHMS = ("RS256", "ES256", "EdDSA")
HEADER = {"typ": "at+jwt", "kid": "theirs"}

Minted = tuple[str, KeySet]
Mint = Callable[[str, dict[str, Any]], Minted]


def by_pyjwt(algorithm: str, claims: dict[str, Any]) -> Minted:
    makes: dict[str, Callable[[], Any]] = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": Ed25519PrivateKey.generate,
    }
    private = makes[algorithm]()
    known: Any = jwt.get_algorithm_by_name(algorithm)
    public = known.to_jwk(private.public_key(), as_dict=True)
    token = jwt.encode(claims, private, algorithm=algorithm, headers=HEADER)
    return token, KeySet.from_jwks({"keys": [{**public, "kid": "theirs"}]})


def by_joserfc(algorithm: str, claims: dict[str, Any]) -> Minted:
    makes: dict[str, Callable[[], Any]] = {
        "RS256": lambda: RSAKey.generate_key(2048),
        "ES256": lambda: ECKey.generate_key("P-256"),
        "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
    }
    key = makes[algorithm]()
    registry = JWSRegistry(algorithms=[algorithm])
    token = joserfc_jwt.encode({"alg": algorithm, **HEADER}, claims, key, registry=registry)
    return token, KeySet.from_jwks({"keys": [{**key.as_dict(private=False), "kid": "theirs"}]})


def by_jose(ask: Ask, algorithm: str, claims: dict[str, Any]) -> Minted:
    curve = "Ed25519" if algorithm == "EdDSA" else ""
    result = ask({"algorithm": algorithm, "curve": curve, "claims": claims})
    return result["token"], KeySet.from_jwks({"keys": result["keys"]})


class Feed:
    """News handed in: as fresh as the moment it was made."""

    def __init__(self, *entries: Revocation) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(5.0, time.monotonic())
        for each in entries:
            self.revocations.apply(each)


@pytest.fixture(scope="module")
def jose() -> Iterator[Mint]:
    with node("mint.mjs") as ask:
        yield partial(by_jose, ask)


@pytest.fixture(params=["PyJWT", "joserfc", "jose"])
def mint(request: pytest.FixtureRequest, jose: Mint) -> Mint:
    return {"PyJWT": by_pyjwt, "joserfc": by_joserfc, "jose": jose}[request.param]


def claims(**changes: Any) -> dict[str, Any]:
    """As little as an access token may say (RFC 9068 section 2.2)."""
    now = int(time.time())
    required = {"iss": ISSUER, "sub": "grace", "aud": AUDIENCE, "iat": now, "exp": now + 300}
    return {**required, "jti": "1", "client_id": "cli", **changes}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_a_trusted_key_is_accepted_and_a_changed_one_is_not(mint: Mint, algorithm: str) -> None:
    token, keys = mint(algorithm, claims(client_id="shop", scope="read write"))
    verify = Verifier(ISSUER, AUDIENCE, keys=keys, revocation="none")
    principal = verify(token)
    assert (principal.subject, principal.client_id, principal.scope) == ("grace", "shop", ("read", "write"))
    head, payload, signature = token.split(".")
    for changed in (
        f"{head}.{payload[:-1]}{'A' if payload[-1] != 'A' else 'B'}.{signature}",
        f"{head}.{payload}.{signature[:-2]}{'AA' if signature[-2:] != 'AA' else 'BB'}",
        f"{head}.{payload}.",
        f"{head}.{payload}",
    ):
        with pytest.raises(Refusal) as refused:
            verify(changed)
        assert refused.value.status == 401


def test_a_token_with_missing_or_foreign_claims_is_refused(mint: Mint) -> None:
    refusals: dict[str, tuple[dict[str, Any], type[Refusal]]] = {
        "no subject": ({"sub": None}, TokenInvalid),
        "no client": ({"client_id": None}, TokenInvalid),
        "no id of its own": ({"jti": None}, TokenInvalid),
        "another issuer": ({"iss": "https://elsewhere.example"}, TokenInvalid),
        "another audience": ({"aud": "payments"}, TokenInvalid),
        "expired": ({"exp": int(time.time()) - 60}, TokenExpired),
    }
    for changes, refusal in refusals.values():
        token, keys = mint("ES256", {n: v for n, v in claims(**changes).items() if v is not None})
        with pytest.raises(refusal):
            Verifier(ISSUER, AUDIENCE, keys=keys, revocation="none")(token)


def test_a_token_without_revocation_claims_is_refused_under_a_feed(mint: Mint) -> None:
    token, keys = mint("ES256", claims())
    with pytest.raises(TokenInvalid):
        Verifier(ISSUER, AUDIENCE, keys=keys, feed=Feed())(token)
    token, keys = mint("ES256", claims(sid=SID, gen=0))
    assert Verifier(ISSUER, AUDIENCE, keys=keys, feed=Feed())(token).sid == SID
    ended = Revocation(RevocationKind.SESSION, SID, ENDED, Instant(1), Instant(2**40), 1)
    with pytest.raises(TokenRevoked):
        Verifier(ISSUER, AUDIENCE, keys=keys, feed=Feed(ended))(token)
