"""Keys handed in without a feed: offline verification, said aloud."""

import json
import logging

import pytest

from keyturn import Refusal, Verifier
from keyturn.errors import RevocationUnknown
from keyturn.tokens import KeySet, SigningKey, sign_compact

ISSUER, NOW = "https://auth.example.com", 1_800_000_000
KEY = SigningKey.generate("ES256", "k1")


def make_token(**claims: object) -> str:
    base = {"iss": ISSUER, "sub": "ada", "aud": "orders", "exp": NOW + 60, "iat": NOW, "jti": "1", "client_id": "web"}
    return sign_compact(json.dumps(base | claims).encode(), KEY)


def test_a_token_of_a_trusted_key_is_accepted_and_the_choice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "keyturn.verifier"):
        verify = Verifier(ISSUER, "orders", keys=KeySet([KEY.verifying_key]), clock=lambda: NOW)
    assert verify(make_token()).subject == "ada"
    assert "without a feed" in caplog.text


def test_an_offline_verifier_checks_all_but_revocation() -> None:
    verify = Verifier(ISSUER, "orders", keys=KeySet([KEY.verifying_key]), clock=lambda: NOW)
    for wrong in ({"iss": "https://other.example"}, {"aud": "billing"}, {"exp": NOW - 60}, {"iat": NOW + 600}):
        with pytest.raises(Refusal):
            verify(make_token(**wrong))


def test_an_unreachable_feed_is_not_an_accept() -> None:
    verify = Verifier("https://127.0.0.1:9", "orders", keys=KeySet([KEY]), clock=lambda: NOW, revocation="feed")
    with pytest.raises(RevocationUnknown):
        verify(make_token(iss="https://127.0.0.1:9", sid="A" * 22, gen=0))
    verify.close()
