"""Access token claims: which are written, and how each is checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from keyturn.core.claims import (
    RESERVED_CLAIMS,
    acr_for,
    build_claims,
    check_audience,
    check_issuer,
    check_times,
    principal_from_claims,
)
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import MOBILE, Profile, SessionPolicy, TokenPolicy
from keyturn.core.principal import Principal
from keyturn.core.sealed import Secrets
from keyturn.core.session import ClientInfo, Seed, Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import InvalidTarget, TokenExpired, TokenInvalid, TokenNotYetValid

START = Instant(1_800_000_000)
REALM = IssuerConfig(
    "https://auth.example.com",
    ("orders",),
    Secrets(bytes(32)),
    Profile("test", SessionPolicy(600, 3600), TokenPolicy(access_seconds=300)),
)
SESSION = Session(
    sid=SessionId("AbCdEfGhIjKlMnOpQrStuA"),
    subject=Subject("ada"),
    seed=Seed(bytes(32)),
    client=ClientInfo("web", "Firefox", "192.0.2.1"),
    generation=4,
    created_at=START,
    auth_time=Instant(START - 1),
    last_seen_at=START,
    expires_at=Instant(START + 600),
    amr=("pwd", "otp"),
    scope="read write",
    claims={"tenant": "acme"},
)


@dataclass
class Claims:
    iss: str = "https://auth.example.com"
    sub: str = "ada"
    aud: str | list[str] = "orders"
    exp: int = 200
    iat: int = 100
    nbf: int = 0
    client_id: str = "web"
    sid: str = "AbCdEfGhIjKlMnOpQrStuA"
    gen: int = 4
    scope: str = " read  write "
    auth_time: int = 90
    acr: str = "aal2"
    amr: list[str] = field(default_factory=lambda: ["pwd", "otp"])
    aud_limited: bool = False
    own_claims: Mapping[str, object] = field(default_factory=lambda: {"tenant": 7})


@pytest.mark.conforms("RFC 9068 2.2")
def test_an_access_token_has_the_claims_of_rfc_9068_and_of_revocation() -> None:
    assert build_claims(SESSION, "j1", Instant(START + 10), REALM) == {
        "tenant": "acme",
        "iss": "https://auth.example.com",
        "sub": "ada",
        "aud": "orders",
        "exp": START + 310,
        "iat": START + 10,
        "jti": "j1",
        "client_id": "web",
        "sid": "AbCdEfGhIjKlMnOpQrStuA",
        "gen": 4,
        "scope": "read write",
        "auth_time": START - 1,
        "acr": "aal2",
        "amr": ["pwd", "otp"],
    }


LOST_RESPONSES = replace(REALM, profile=MOBILE)


def test_the_rotation_is_a_claim_only_where_a_lost_response_is_assumed() -> None:
    assert build_claims(replace(SESSION, rotations=7), "j1", START, LOST_RESPONSES)["rot"] == 7
    assert "rot" not in build_claims(SESSION, "j1", START, REALM)
    # An application could set it before the name was reserved.
    assert "rot" not in build_claims(replace(SESSION, claims={"rot": "ation"}), "j1", START, REALM)


def test_every_claim_that_keyturn_writes_is_reserved() -> None:
    written = build_claims(SESSION, "j1", START, LOST_RESPONSES).keys()
    assert written - {"tenant"} <= RESERVED_CLAIMS
    assert RESERVED_CLAIMS - written == {"nbf", "aud_limited"}
    two = replace(REALM, audience=("orders", "billing"))
    assert RESERVED_CLAIMS - build_claims(SESSION, "j1", START, two, ["orders"]).keys() == {"nbf", "rot"}


def test_session_claims_do_not_replace_reserved_claims() -> None:
    session = replace(SESSION, claims={"sub": "root", "exp": 2**40, "iss": "all", "gen": 99})
    built = build_claims(session, "j1", START, REALM)
    assert (built["sub"], built["exp"], built["iss"], built["gen"]) == ("ada", START + 300, REALM.issuer, 4)


def test_the_audience_is_what_the_resource_selects_of_the_grant() -> None:
    realm = replace(REALM, audience=("orders", "billing", "stock"))
    session = replace(SESSION, claims={"aud": ["orders", "stock"]})
    assert build_claims(session, "j1", START, realm)["aud"] == ["orders", "stock"]
    assert build_claims(session, "j1", START, realm, ["stock"])["aud"] == "stock"
    assert "aud_limited" not in build_claims(SESSION, "j1", START, realm, ["stock", "billing", "orders"])
    forged = replace(SESSION, claims={"aud_limited": "no"})
    assert "aud_limited" not in build_claims(forged, "j1", START, realm)
    assert build_claims(forged, "j1", START, realm, ["orders"])["aud_limited"] is True
    with pytest.raises(InvalidTarget):
        build_claims(session, "j1", START, realm, ["billing"])


def test_an_empty_scope_is_omitted_and_not_read_from_session_claims() -> None:
    session = replace(SESSION, scope="", amr=(), claims={"scope": "admin", "amr": ["hwk"]})
    assert not {"scope", "amr"} & build_claims(session, "j1", START, REALM).keys()


def test_several_audiences_are_a_list() -> None:
    built = build_claims(SESSION, "j1", START, replace(REALM, audience=("orders", "billing")))
    assert built["aud"] == ["orders", "billing"]


def test_no_access_token_outlives_its_session() -> None:
    built = build_claims(SESSION, "j1", Instant(START + 3500), REALM)
    assert built["exp"] == START + 3600


def test_a_session_opened_after_revoke_all_gets_a_later_iat() -> None:
    built = build_claims(replace(SESSION, created_at=Instant(START + 1)), "j1", START, REALM)
    assert built["iat"] == START + 1


@pytest.mark.parametrize(
    ("amr", "acr"),
    [
        ((), "aal1"),
        (("pwd",), "aal1"),
        (("pwd", "pwd"), "aal1"),
        (("pwd", "pin"), "aal1"),
        (("pwd", "kba", "mfa"), "aal1"),
        (("otp", "sms"), "aal1"),
        (("pwd", "geo", "user"), "aal1"),
        (("pwd", "something-new"), "aal1"),
        (("pwd", "otp"), "aal2"),
        (("hwk", "pin"), "aal2"),
        (("hwk", "fpt"), "aal2"),
        (("face", "pwd", "mfa"), "aal2"),
    ],
)
@pytest.mark.conforms("NIST SP 800-63B-4 2.2")
def test_two_different_factors_are_aal2(amr: tuple[str, ...], acr: str) -> None:
    assert acr_for(amr) == acr


def test_the_issuer_must_be_exactly_ours() -> None:
    check_issuer(Claims(), "https://auth.example.com")
    for other in ("https://auth.example.com/", "https://AUTH.example.com", "", "https://auth.example.com.evil"):
        with pytest.raises(TokenInvalid):
            check_issuer(Claims(), other)


@pytest.mark.parametrize("aud", ["orders", ["orders"], ["billing", "orders"]])
@pytest.mark.conforms("ASVS 9.2.3", "RFC 8725 3.9")
def test_the_audience_must_name_us(aud: str | list[str]) -> None:
    check_audience(Claims(aud=aud), frozenset({"orders"}))
    check_audience(Claims(aud=aud), frozenset({"orders", "orders-v2"}))


@pytest.mark.parametrize("aud", ["", [], "order", "orders2", ["order", "s"], "my orders"])
def test_an_audience_that_only_contains_our_letters_does_not(aud: str | list[str]) -> None:
    with pytest.raises(TokenInvalid):
        check_audience(Claims(aud=aud), frozenset({"orders"}))


@pytest.mark.parametrize(
    ("now", "refusal"),
    [(94.9, TokenNotYetValid), (95, None), (100, None), (204.9, None), (205, TokenExpired), (10**12, TokenExpired)],
)
@pytest.mark.conforms("ASVS 9.2.1")
def test_a_token_is_good_from_its_issue_to_its_end_give_or_take_the_leeway(
    now: float, refusal: type[Exception] | None
) -> None:
    if refusal is None:
        check_times(Claims(), now, 5)
    else:
        with pytest.raises(refusal):
            check_times(Claims(), now, 5)


def test_a_not_before_later_than_the_issue_counts() -> None:
    with pytest.raises(TokenNotYetValid):
        check_times(Claims(nbf=150), 120, 5)


def test_without_leeway_the_second_of_the_end_is_over() -> None:
    with pytest.raises(TokenExpired):
        check_times(Claims(), 200, 0)


def test_a_principal_is_built_from_the_claims() -> None:
    assert principal_from_claims(Claims()) == Principal(
        Subject("ada"),
        SessionId("AbCdEfGhIjKlMnOpQrStuA"),
        "web",
        "access",
        Instant(90),
        Instant(200),
        ("pwd", "otp"),
        "aal2",
        ("read", "write"),
        4,
        Instant(100),
        {"tenant": 7},
    )
