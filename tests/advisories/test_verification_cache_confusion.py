"""Verification-cache confusion: a verdict remembered for one token, key or configuration is served for another.

It happened to libraries that took part of a token for the key of their cache, or shared one cache among configurations.
Ours remembers a verification under the whole token, inside one verifier, for the very key set that proved it; expiry,
audience and revocation are never remembered.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyturn.core.freshness import Freshness
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationSet
from keyturn.core.types import Instant
from keyturn.errors import TokenExpired, TokenInvalid, TokenMalformed, TokenRevoked, Unauthenticated
from keyturn.tokens import KeySet, SigningKey, sign_compact
from keyturn.verifier import Verifier
from keyturn.verifier.keys import FixedKeys

NOW = 1_800_000_000
ISSUER = "https://auth.example.com"
SID = "AbCdEfGhIjKlMnOpQrStuA"
KEY = SigningKey.generate("EdDSA", kid="one")
IMPOSTOR = SigningKey.generate("EdDSA", kid="one")
SECRET = SigningKey.generate("HS256", kid="secret")


class Feed:
    def __init__(self) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(5, 0)


def mint(key: SigningKey = KEY, **changed: object) -> str:
    claims: dict[str, object] = {
        **{"iss": ISSUER, "sub": "ada", "aud": "orders", "exp": NOW + 600, "iat": NOW, "jti": "1", "client_id": "web"},
        **{"sid": SID, "gen": 0, "auth_time": NOW, "acr": "aal1", "amr": ["pwd"], "scope": "read"},
    }
    return sign_compact(json.dumps(claims | changed, separators=(",", ":")).encode(), key)


def verifier(keys: Any = None, issuer: str = ISSUER, audience: str = "orders", **more: Any) -> Verifier:
    arguments: dict[str, Any] = {"feed": Feed(), "clock": lambda: NOW, "monotonic": lambda: 0.0} | more
    return Verifier(issuer, audience, keys=keys or KeySet([KEY]), **arguments)


def test_a_remembered_token_vouches_for_no_other_with_the_same_parts() -> None:
    verify = verifier()
    good, other = mint(), mint(sub="eve", scope="admin")
    verify(good)
    verify(other)
    header, payload, signature = good.split(".")
    _, other_payload, other_signature = other.split(".")
    for forged in (
        f"{header}.{other_payload}.{signature}",
        f"{header}.{payload}.{other_signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature}.",
        f"{good} ",
        f" {good}",
        f"{good}\x00",
        f"{good}=",
        good.swapcase(),
    ):
        with pytest.raises(Unauthenticated):
            verify(forged)


@given(at=st.integers(0, 10_000), by=st.characters(codec="ascii"))
@settings(deadline=None)
def test_changing_any_character_of_a_remembered_token_is_noticed(at: int, by: str) -> None:
    verify, token = VERIFY, TOKEN
    verify(token)
    at %= len(token)
    changed = token[:at] + by + token[at + 1 :]
    if changed != token:
        with pytest.raises((TokenMalformed, TokenInvalid)):
            verify(changed)


VERIFY, TOKEN = verifier(), mint()


def test_verifiers_do_not_share_cached_verdicts() -> None:
    token = mint()
    assert verifier()(token)
    for other in (
        verifier(audience="billing"),
        verifier(issuer="https://other.example.com"),
        verifier(keys=KeySet([IMPOSTOR])),
        verifier(keys=KeySet([SECRET])),
        verifier(clock=lambda: NOW + 605),
    ):
        with pytest.raises(Unauthenticated):
            other(token)


def test_replacing_a_key_under_the_same_kid_invalidates_cached_tokens() -> None:
    source = FixedKeys(KeySet([KEY]))
    verify, token, forged = verifier(keys=source), mint(), mint(IMPOSTOR)
    assert verify(token)
    with pytest.raises(TokenInvalid):
        verify(forged)
    source.current = KeySet([IMPOSTOR])
    with pytest.raises(TokenInvalid):
        verify(token)
    assert verify(forged)
    source.current = KeySet([KEY])
    assert verify(token)
    with pytest.raises(TokenInvalid):
        verify(forged)


def test_two_keys_of_one_verifier_do_not_lend_each_other_their_tokens() -> None:
    second = SigningKey.generate("EdDSA", kid="two")
    verify = verifier(keys=KeySet([KEY, second]))
    first_token, second_token = mint(), mint(second)
    verify(first_token)
    verify(second_token)
    header = second_token.split(".")[0]
    with pytest.raises(TokenInvalid):
        verify(".".join((header, *first_token.split(".")[1:])))


def test_a_refusal_is_not_remembered_against_a_token_that_becomes_good() -> None:
    now = [NOW - 100]
    verify, token = verifier(clock=lambda: now[0]), mint()
    with pytest.raises(Unauthenticated):
        verify(token)
    now[0] = NOW
    assert verify(token)


def test_a_cached_token_is_checked_for_expiry_and_revocation() -> None:
    now, feed = [NOW], Feed()
    verify, token = verifier(clock=lambda: now[0], feed=feed), mint()
    verify(token)
    now[0] = NOW + 605
    with pytest.raises(TokenExpired):
        verify(token)
    now[0] = NOW
    assert verify(token)
    feed.revocations.apply(Revocation(RevocationKind.SESSION, SID, ENDED, Instant(NOW), Instant(NOW + 900)))
    with pytest.raises(TokenRevoked):
        verify(token)


def test_tokens_with_equal_hashes_are_cached_separately() -> None:
    """The memo compares whole tokens: an equal hash alone is nothing."""

    class Colliding(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return 7

    verify = verifier()
    good, other = Colliding(mint()), Colliding(mint(sub="eve"))
    assert verify(good).subject == "ada"
    assert verify(other).subject == "eve"
    assert verify(good).subject == "ada"
    with pytest.raises(Unauthenticated):
        verify(Colliding("garbage"))
