"""Claims are read one way, however fast."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.claims import build_claims
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.sealed import Secrets
from keyturn.core.session import ClientInfo, Seed, Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import Refusal, TokenMalformed
from keyturn.verifier.claims import _read_strict, read_claims
from verifier.harness import ISSUER, NOW, SID

REALM = IssuerConfig(ISSUER, ("orders",), Secrets(bytes(32)))
SESSION = Session(
    SessionId(SID),
    Subject("ada"),
    Seed(b""),
    ClientInfo("web"),
    3,
    Instant(NOW),
    Instant(NOW),
    Instant(NOW),
    Instant(NOW),
)


@given(
    members=st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "jti", "gen", "sid", "amr", "scope", "nbf", "tenant"]),
        st.one_of(st.text(max_size=3), st.integers(-2, 3), st.none(), st.lists(st.text(max_size=2), max_size=2)),
    ),
    compact=st.booleans(),
)
def test_the_short_way_of_reading_claims_answers_as_the_strict_one(members: dict[str, Any], compact: bool) -> None:
    base = {"iss": "i", "sub": "s", "aud": "orders", "exp": 2, "iat": 1, "jti": "j", "client_id": "c"}
    payload = json.dumps(base | members, separators=(",", ":") if compact else None).encode()

    def outcome(read: Callable[[bytes], object]) -> object:
        try:
            return read(payload)
        except Refusal as refusal:
            return type(refusal)

    assert outcome(read_claims) == outcome(_read_strict)


def test_a_repeated_member_is_noticed_however_the_rest_is_written() -> None:
    for repeated in (b'"sub":"s"', b'"scope":"x"', b'"x":1', b'"\\u0073ub":"s"'):
        payload = (
            b'{"iss":"i","sub":"s","aud":"a","exp":2,"iat":1,"jti":"j","client_id":"c","scope":"r","x":1,'
            + repeated
            + b"}"
        )
        with pytest.raises(TokenMalformed, match="repeated"):
            read_claims(payload)


@pytest.mark.parametrize("changed", [{}, {"scope": ""}, {"amr": ()}, {"generation": 0}], ids=repr)
def test_claims_written_by_keyturn_are_decoded_once(changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    session = replace(SESSION, **changed)
    payload = msgspec.json.encode(build_claims(session, "j1", Instant(NOW), REALM))
    monkeypatch.setattr("keyturn.verifier.claims._read_strict", None)
    assert read_claims(payload).scope == session.scope


def test_the_claims_of_the_application_are_read_without_the_registered_ones() -> None:
    session = replace(SESSION, claims={"tenant": 7, "own_claims": {"roles": ["a"]}})
    claims = read_claims(msgspec.json.encode(build_claims(session, "j", Instant(NOW), REALM)))
    assert claims.own_claims == {"tenant": 7, "own_claims": {"roles": ("a",)}}
    assert (claims.sub, claims.sid, claims.client_id) == ("ada", SID, "web")


def test_a_token_without_claims_of_the_application_has_none() -> None:
    payload = msgspec.json.encode(build_claims(SESSION, "j", Instant(NOW), REALM))
    spaced = json.dumps(json.loads(payload)).encode()
    assert read_claims(payload).own_claims == read_claims(spaced).own_claims == {}
