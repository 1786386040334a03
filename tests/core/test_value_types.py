"""The small values: principal, realm, freshness, account, audit, session."""

import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.account import MAX_IDENTIFIER_OCTETS, Account, normalise_identifier
from keyturn.core.audit import ALERT_EVENTS, AuditEvent, AuditEventType
from keyturn.core.feed import LogCursor
from keyturn.core.freshness import Freshness
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import DELIVERIES, PROFILES, TokenPolicy
from keyturn.core.principal import Principal
from keyturn.core.sealed import Secrets
from keyturn.core.session import (
    CACHE_TTL_SECONDS,
    CachedSession,
    ClientInfo,
    LoadedSession,
    RevocationFloor,
    Seed,
    Session,
)
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import (
    BadRequest,
    ConfigurationError,
    CredentialsNotOffered,
    Forbidden,
    InvalidMember,
    StepUpRequired,
)

# --- principal ----------------------------------------------------------------------------------------------

ADA = Principal(
    Subject("ada"), SessionId("s"), "web", "access", Instant(100), Instant(900), ("pwd",), "aal1", ("read", "write")
)


def test_a_scope_is_granted_whole_or_not_at_all() -> None:
    ADA.require_scope("read")
    for missing in ("admin", "rea", "read write", "", "READ"):
        with pytest.raises(Forbidden):
            ADA.require_scope(missing)


def test_an_old_authentication_requires_step_up() -> None:
    ADA.require_recent_auth(Instant(400), 300)
    with pytest.raises(StepUpRequired) as refused:
        ADA.require_recent_auth(Instant(401), 300)
    assert refused.value.status == 403


def test_a_principal_cannot_be_raised_after_the_fact() -> None:
    with pytest.raises(AttributeError):
        ADA.scope = ("admin",)  # type: ignore[misc]


# --- realm --------------------------------------------------------------------------------------------------

REALM = IssuerConfig("https://auth.example.com/tenant", ("orders",), Secrets(bytes(32)))


@pytest.mark.parametrize(
    "issuer", ["", "auth.example.com", "ftp://x", "https://", "https:///x", "https://x?y", "https://x#y", "//x"]
)
def test_an_issuer_is_an_http_url_without_query_or_fragment(issuer: str) -> None:
    with pytest.raises(ConfigurationError, match="issuer"):
        replace(REALM, issuer=issuer)


@pytest.mark.parametrize("audience", [(), ("",), ("orders", "")])
def test_an_audience_names_someone(audience: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="audience"):
        replace(REALM, audience=audience)


@pytest.mark.parametrize("credentials", list(DELIVERIES))
def test_only_the_configured_deliveries_are_resolved(credentials: Any) -> None:
    realm = replace(REALM, credentials=credentials)
    offered = DELIVERIES[realm.credentials]
    assert realm.resolve_delivery(None) == offered[0]
    for asked in DELIVERIES["hybrid"]:
        if asked in offered:
            assert realm.resolve_delivery(asked) == asked
        else:
            with pytest.raises(CredentialsNotOffered):
                realm.resolve_delivery(asked)


def test_a_realm_shows_no_secret() -> None:
    assert "\\x00" not in repr(REALM)


# --- freshness ----------------------------------------------------------------------------------------------


def test_a_feed_without_a_completed_poll_is_not_fresh() -> None:
    assert not Freshness(5).is_fresh(0)
    assert Freshness(5).age(0) == float("inf")


def test_news_holds_up_to_the_bound_and_no_longer() -> None:
    freshness = Freshness(5)
    freshness.mark_complete(100)
    assert freshness.age(103) == 3
    assert freshness.is_fresh(105)
    assert not freshness.is_fresh(105.001)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_a_late_reply_does_not_lower_complete_as_of(asked: list[float]) -> None:
    freshness = Freshness(5)
    for moment in asked:
        freshness.mark_complete(moment)
    assert freshness.complete_as_of == max(asked)


def test_freshness_is_lost_by_a_gap_until_the_next_complete_poll() -> None:
    freshness = Freshness(5)
    freshness.mark_complete(100)
    freshness.invalidate()
    assert not freshness.is_fresh(100)
    freshness.mark_complete(101)
    assert freshness.is_fresh(101)


# --- account ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@Example.COM\n", "ada@example.com"),
        ("ada\uff20example.com", "ada@example.com"),
        ("\uff41da@example.com", "ada@example.com"),
        ("\u212aai@example.com", "kai@example.com"),
        ("stra\u00dfe@example.com", "strasse@example.com"),
        ("e\u0301va@example.com", "\u00e9va@example.com"),
        ("\ufb01n@example.com", "fin@example.com"),
        ("\u0130@example.com", "i\u0307@example.com"),
        ("a+b@x", "a+b@x"),
    ],
)
def test_one_address_has_one_spelling(text: str, stored: str) -> None:
    assert normalise_identifier(text) == stored


@pytest.mark.parametrize(
    "text",
    [
        *("", "ada", "@", "ada@", "@example.com", "a@b@c", "ada\uff20@x", "ada @example.com", "ada@exa mple.com"),
        *("ada\x00@example.com", "ada\n@example.com", "ada\u00a0@example.com", "ada\u2003x@example.com", "\ud800@x"),
        *("ada\u200b@example.com", "ada\u00ad@example.com", "ada\u202e@example.com", "ada\ufeff@example.com"),
        *("ada\ufe0f@example.com", "ada\u034f@example.com", "ada\u3164@example.com", "ada\U000e0100@x.com"),
        *("ada\u2028@example.com", "ada\u0085@example.com", "ada\ue000@example.com"),
        *("x" * MAX_IDENTIFIER_OCTETS + "@x", "\u00e9" * 127 + "@x", "\ufdfa" * 100 + "@x", "x" * 10_000_000 + "@x"),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_an_invalid_email_is_refused(text: str) -> None:
    with pytest.raises(InvalidMember) as refused:
        normalise_identifier(text)
    assert refused.value.member == "email"


def test_the_longest_address_fits() -> None:
    assert len(normalise_identifier("x" * (MAX_IDENTIFIER_OCTETS - 2) + "@x")) == MAX_IDENTIFIER_OCTETS


def test_marks_without_end_take_no_time() -> None:
    """Canonical ordering is quadratic: 60,000 marks used to take seconds."""
    with pytest.raises(BadRequest, match="long"):
        normalise_identifier("e" + "\u0301\u0323" * 30_000 + "@x")


@given(st.text() | st.tuples(st.text(min_size=1), st.text(min_size=1)).map("@".join))
def test_the_stored_spelling_is_its_own(text: str) -> None:
    try:
        stored = normalise_identifier(text)
    except BadRequest:
        return
    assert normalise_identifier(stored) == stored
    assert unicodedata.is_normalized("NFKC", stored)
    assert len(stored.encode()) <= MAX_IDENTIFIER_OCTETS


def test_an_account_shows_no_hash_and_no_address() -> None:
    account = Account(Subject("s1"), "ada@example.com", "$argon2id$secret", Instant(1))
    assert "argon2" not in repr(account)
    assert "ada" not in repr(account)
    assert "s1" in repr(account)


# --- audit and session --------------------------------------------------------------------------------------


def test_operators_are_woken_for_a_lost_write_and_a_stolen_token_only() -> None:
    assert {"counter_ahead", "token_reused"} == ALERT_EVENTS
    assert AuditEvent(AuditEventType.LOGIN, Instant(1)).detail == ""
    assert all(event.value == event.name.lower() for event in AuditEventType)


def test_a_session_shows_no_seed() -> None:
    now = Instant(1)
    session = Session(SessionId("s"), Subject("ada"), Seed(b"secretseed"), ClientInfo(), 0, now, now, now, now)
    assert "secretseed" not in repr(session)
    assert session.claims == {}


# --- copy ---------------------------------------------------------------------------------------------------


def copy_read_at(moment: int) -> CachedSession:
    at = Instant(0)
    session = Session(SessionId("s"), Subject("ada"), Seed(b"x" * 32), ClientInfo(), 0, at, at, at, at)
    return CachedSession(LoadedSession(session, RevocationFloor()), LogCursor(1, 1), Instant(moment))


@pytest.mark.parametrize(("age", "holds"), [(0, True), (600, True), (601, False), (-600, True), (-601, False)])
def test_a_cached_session_is_recent_for_ten_minutes(age: int, holds: bool) -> None:
    assert copy_read_at(10_000).is_recent(Instant(10_000 + age)) is holds


def test_a_revocation_outlives_cached_sessions_under_40_minutes_of_clock_skew() -> None:
    for policy in (TokenPolicy(), TokenPolicy(access_seconds=60), *(each.token for each in PROFILES.values())):
        assert policy.retired_seconds >= CACHE_TTL_SECONDS + 40 * 60
