"""The states of a one-time value, and the hashes under which values are stored."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from keyturn.core.one_time import (
    LIMITS,
    MARGIN_SECONDS,
    MAX_PAYLOAD_BYTES,
    MAX_VALUE_CHARS,
    OneTimeKind,
    OneTimeState,
    OneTimeValue,
    new_one_time_text,
    one_time_digests,
    one_time_state,
    record_replay,
    spend,
)
from keyturn.core.policy import TokenPolicy
from keyturn.core.sealed import Secrets
from keyturn.core.types import Instant, SessionId
from keyturn.errors import ConfigurationError, InvalidMember, TokenMalformed

NOW = Instant(1_000_000)
LIVE = OneTimeValue(OneTimeKind.CODE, b"d" * 32, "ada", NOW, Instant(NOW + 60))
SPENT = spend(LIVE, SessionId("sid"))
OLD, NEW = b"o" * 32, b"n" * 32


@pytest.mark.parametrize(
    ("after_seconds", "gap_seconds", "state"),
    [
        (0, 0, OneTimeState.LIVE),
        (59, 0, OneTimeState.LIVE),
        (60, 0, OneTimeState.EXPIRED),
        (61, 7200, OneTimeState.EXPIRED),
        (0, 59, OneTimeState.LIVE),
        (0, 60, OneTimeState.UNCERTAIN),
        (59, 40 * 86400, OneTimeState.UNCERTAIN),
        (-MARGIN_SECONDS, 0, OneTimeState.LIVE),
        (-MARGIN_SECONDS - 1, 0, OneTimeState.UNCERTAIN),
        (-MARGIN_SECONDS - 1, 1, OneTimeState.LIVE),
        (-40 * 86400, 0, OneTimeState.UNCERTAIN),
    ],
)
def test_a_live_value_has_the_state_of_every_clock(after_seconds: int, gap_seconds: int, state: OneTimeState) -> None:
    assert one_time_state(LIVE, Instant(NOW + after_seconds), gap_seconds) is state


@pytest.mark.parametrize("value", [SPENT, record_replay(SPENT)])
def test_a_spent_value_is_spent_at_any_time(value: OneTimeValue) -> None:
    for after_seconds, gap_seconds in itertools.product((-86400, 0, 60, 86400), (0, 7200)):
        assert one_time_state(value, Instant(NOW + after_seconds), gap_seconds) is OneTimeState.SPENT


def test_a_mark_names_the_session_that_was_made() -> None:
    assert (replace(SPENT, uses=0, made=""), SPENT.uses, SPENT.made) == (LIVE, 1, "sid")
    assert record_replay(SPENT) == replace(SPENT, uses=2)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kind": "ticket"}, ValueError),
        ({"digest": b"d" * 31}, ValueError),
        ({"digest": b"d" * 33}, ValueError),
        ({"payload": bytes(MAX_PAYLOAD_BYTES + 1)}, ValueError),
        ({"subject": "x" * 256}, InvalidMember),
        ({"subject": 7}, TypeError),
    ],
)
def test_a_value_of_an_unknown_kind_or_size_is_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        replace(LIVE, **changes)


def test_digests_differ_by_kind_value_and_secret() -> None:
    secrets = Secrets(NEW, OLD)
    digests = [
        digest
        for kind in OneTimeKind
        for text in ("a", "b", "\ud800", "x" * MAX_VALUE_CHARS)
        for digest in one_time_digests(kind, text, secrets)
    ]
    assert len(set(digests)) == len(digests) == 32
    assert {len(each) for each in digests} == {32}
    for kind in OneTimeKind:
        current, previous = one_time_digests(kind, "a", secrets)
        assert one_time_digests(kind, "a", Secrets(NEW)) == (current,)
        assert one_time_digests(kind, "a", Secrets(OLD)) == (previous,)


@pytest.mark.parametrize("text", ["", "x" * (MAX_VALUE_CHARS + 1)])
def test_an_empty_or_long_value_is_refused_unhashed(text: str) -> None:
    with pytest.raises(TokenMalformed):
        one_time_digests(OneTimeKind.CODE, text, Secrets(NEW))


def test_the_text_of_a_value_is_masked_and_names_its_kind() -> None:
    text = new_one_time_text(OneTimeKind.CODE, bytes(32))
    assert text.reveal() == "kt_code_" + "A" * 43
    assert "AAA" not in repr(text)
    assert "ada" not in repr(SPENT)


def test_every_kind_has_limits() -> None:
    assert set(LIMITS) == set(OneTimeKind)
    assert all(each.per_subject < each.total for each in LIMITS.values())
    assert LIMITS[OneTimeKind.CODE].lifetime_seconds <= 600  # RFC 6749 section 4.1.2


def test_a_mark_outlives_its_value_by_the_clocks_of_two_issuers() -> None:
    # Each may be off by the leeway; a greater leeway is refused.
    with pytest.raises(ConfigurationError):
        TokenPolicy(leeway_seconds=MARGIN_SECONDS // 2 + 1)
    TokenPolicy(leeway_seconds=MARGIN_SECONDS // 2)
