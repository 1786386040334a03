"""Policies: every figure is checked when it is made, and the named profiles say what their sources say."""

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from keyturn.core.cookie import set_cookie
from keyturn.core.policy import (
    BANKING,
    BROWSER,
    BROWSER_STRICT,
    DAY,
    DELIVERIES,
    HOUR,
    MINUTE,
    MOBILE,
    NIST_AAL2,
    PROFILES,
    CookiePolicy,
    PasswordPolicy,
    Profile,
    SessionPolicy,
    ThrottlePolicy,
    TokenPolicy,
)
from keyturn.errors import ConfigurationError

SESSION = SessionPolicy(600, 3600)
EDGES: list[tuple[Any, str, list[Any], list[Any]]] = [
    (SESSION, "inactivity_seconds", [60, 3600], [0, -1, 59, 3601]),
    (SESSION, "overall_seconds", [600, 10**9], [599, 0]),
    (SESSION, "grace_seconds", [0, 300], [-1, 301]),
    (SESSION, "lost_response_seconds", [0, 86_400], [-1, 86_401]),
    (SESSION, "repeat_limit", [0, 1000], [-1, 1001]),
    (SESSION, "repeat_action", ["end", "step_up"], ["", "revoke"]),
    (SESSION, "session_limit", [0, 500], [-1, 501]),
    (SESSION, "session_limit_action", ["end_oldest", "refuse"], ["", "end"]),
    (TokenPolicy(), "access_seconds", [60, DAY], [59, 0, DAY + 1]),
    (TokenPolicy(), "leeway_seconds", [0, 60], [-1, 61]),
    (TokenPolicy(), "staleness_seconds", [1, 300], [0, 301]),
    (TokenPolicy(), "publish_seconds", [1], [0, 30 * DAY]),
    (TokenPolicy(), "rollover_seconds", [DAY + 1], [DAY, 0]),
    (ThrottlePolicy(), "account_limit", [1, 100], [0, 101]),
    (ThrottlePolicy(), "address_limit", [1], [0]),
    (ThrottlePolicy(), "device_limit", [1], [0]),
    (ThrottlePolicy(), "signup_limit", [1], [0]),
    (ThrottlePolicy(), "window_seconds", [60], [59]),
    (PasswordPolicy(), "minimum", [8], [7]),
    (PasswordPolicy(), "maximum", [64], [63]),
]


@pytest.mark.parametrize(
    ("policy", "name", "good", "bad"), EDGES, ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_figure_out_of_bounds_is_refused_by_name(policy: Any, name: str, good: list[int], bad: list[int]) -> None:
    for value in good:
        assert getattr(replace(policy, **{name: value}), name) == value
    for value in bad:
        with pytest.raises(ConfigurationError):
            replace(policy, **{name: value})


def test_policies_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        SESSION.grace_seconds = 9999  # type: ignore[misc]


def test_a_touch_is_due_a_minute_after_the_last_or_sooner_for_short_sessions() -> None:
    assert SESSION.touch_seconds == 60
    assert SessionPolicy(60, 60).touch_seconds == 6


def test_revocations_are_retained_until_every_token_has_expired() -> None:
    token = TokenPolicy(access_seconds=2 * HOUR, leeway_seconds=5, staleness_seconds=7)
    assert token.retired_seconds == 2 * HOUR + 5 + 5 + 7


def test_revocations_outlive_tokens_of_an_earlier_policy() -> None:
    """P4: lowering ``access_seconds`` in an emergency must not revive a revoked token."""
    assert TokenPolicy(access_seconds=60).retired_seconds > TokenPolicy(access_seconds=HOUR).access_seconds


def test_cookies_have_the_host_prefix_with_tls() -> None:
    assert CookiePolicy().name("session") == "__Host-kt_session"
    assert CookiePolicy(secure=False).name("session") == "kt_session"
    assert CookiePolicy(prefix="shop-").name("session") == "__Host-shop-session"
    assert CookiePolicy(secure=False, prefix="shop-").name("session") == "shop-session"


def test_the_former_cookie_names_are_those_of_the_other_scheme_and_of_the_default_prefix() -> None:
    assert CookiePolicy().former_name_starts == ("kt_",)
    assert CookiePolicy(secure=False).former_name_starts == ("__Host-kt_",)
    assert CookiePolicy(prefix="s_").former_name_starts == ("s_", "__Host-kt_", "kt_")


@pytest.mark.parametrize("prefix", ["a", "shop-", "Kt_2", "x" * 32])
def test_a_cookie_prefix_makes_a_cookie_name(prefix: str) -> None:
    assert set_cookie(CookiePolicy(prefix=prefix).name("session"), "v").startswith(f"__Host-{prefix}session=v;")


@pytest.mark.parametrize(
    "prefix", ["", "_a", "-a", "1a", "__Host-a", "__Secure-", "a b", "a;", "a=", "a\n", "\u00e9", "x" * 33]
)
def test_a_cookie_prefix_that_a_browser_could_misread_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix must be 1 to 32 characters"):
        CookiePolicy(prefix=prefix)


@pytest.mark.parametrize(
    ("profile", "inactivity", "overall"),
    [
        (BROWSER, 7 * DAY, 30 * DAY),
        (BROWSER_STRICT, 30 * MINUTE, 12 * HOUR),
        (MOBILE, 30 * DAY, 90 * DAY),
        (NIST_AAL2, HOUR, DAY),
        (BANKING, 5 * MINUTE, 8 * HOUR),
    ],
)
@pytest.mark.conforms("NIST SP 800-63B-4 2.1.3 (browser)", "NIST SP 800-63B-4 2.2.3 (timeouts of nist-aal2)")
def test_the_profiles_keep_to_their_sources(profile: Profile, inactivity: int, overall: int) -> None:
    assert (profile.session.inactivity_seconds, profile.session.overall_seconds) == (inactivity, overall)
    assert PROFILES[profile.name] is profile
    assert profile.cookie.secure


def test_the_strict_profiles_are_strict() -> None:
    for profile in (BROWSER_STRICT, BANKING):
        assert profile.cookie.same_site == "Strict"
        assert profile.cookie.csrf_token
        assert profile.session.grace_seconds <= 10
        assert profile.token.access_seconds <= 5 * MINUTE
    assert BANKING.throttle.account_limit == 5
    assert len(PROFILES) == 5


def test_each_credentials_setting_hands_out_a_default_of_its_own() -> None:
    assert {setting: offered[0] for setting, offered in DELIVERIES.items()} == {
        "session": "cookie",
        "jwt": "tokens",
        "hybrid": "cookie",
    }
    assert not {"tokens", "both", "token-cookies"} & set(DELIVERIES["session"])
    assert not {"cookie", "both"} & set(DELIVERIES["jwt"])


WITHOUT_UNIT = ("algorithm", "repeat_limit", "repeat_action", "session_limit", "session_limit_action")


def test_every_duration_says_its_unit() -> None:
    for policy in (SESSION, TokenPolicy()):
        for each in fields(policy):
            assert each.name.endswith("_seconds") or each.name in WITHOUT_UNIT
