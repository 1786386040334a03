"""A verifier checks its wall clock against the issuer's: a wrong one revives no revoked and expires no valid token."""

import logging
from typing import Any

import pytest

from keyturn.core.clocks import ClockBounds
from keyturn.errors import ClockUncertain, Refusal, TokenExpired, TokenNotYetValid, TokenRevoked
from keyturn.tokens import KeySet, SigningKey
from keyturn.verifier import HttpFeed
from verifier.harness import ISSUER, NOW, SID, Mint, VerifierHarness
from verifier.issuer_feed import IssuerFeed
from verifier.recording_reader import RecordingReader, news, opening

HOUR, DAY = 3600, 86_400
STEPS = [10, -10, 2 * HOUR, -2 * HOUR, 40 * DAY, -40 * DAY]


class CheckedHarness(VerifierHarness):
    """A verifier whose feed tells the issuer's clock with each heartbeat."""

    def step(self, seconds: int) -> None:
        """Set the wall clock and deliver the next heartbeat."""
        self.clock.now = NOW + seconds
        freshness, monotonic = self.feed.freshness, self.monotonic.now
        freshness.issuer_clock = ClockBounds.from_measurement(NOW, monotonic, monotonic)
        freshness.compare_clocks(self.clock.now, monotonic, 5)


@pytest.fixture(params=["sync", "async"])
def checked(request: pytest.FixtureRequest, key: SigningKey, feed: Any, clock: Any, monotonic: Any) -> CheckedHarness:
    harness = CheckedHarness(request.param, KeySet([key]), feed, clock, monotonic)
    harness.step(0)
    return harness


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_token_that_both_clocks_accept_is_accepted_and_any_other_is_503(
    checked: CheckedHarness, mint: Mint, clock: Any, step: int, seen: bool
) -> None:
    token = mint(iat=NOW - 60)
    if seen:
        checked(token)
    checked.step(step)
    if abs(step) == 10:
        assert checked(token).subject == "ada"
    else:
        with pytest.raises(ClockUncertain) as uncertain:
            checked(token)
        assert (uncertain.value.status, uncertain.value.retry_after_seconds) == (503, 15)
    checked.step(0)
    assert checked(token).subject == "ada"


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("step", [-10, 10])
def test_a_token_expired_or_early_by_one_clock_is_503(
    checked: CheckedHarness, mint: Mint, clock: Any, step: int, seen: bool
) -> None:
    token = mint(iat=NOW - 4 if step < 0 else NOW - 500, exp=NOW + 3)
    if seen:
        checked(token)
    checked.step(step)
    with pytest.raises(ClockUncertain):
        checked(token)


def test_a_seen_token_ends_by_the_time_that_both_clocks_agreed_on(
    checked: CheckedHarness, mint: Mint, clock: Any, monotonic: Any
) -> None:
    token = mint(iat=NOW - 60, exp=NOW + 4)
    checked(token)
    clock.now = NOW - 2 * HOUR  # no heartbeat since: the time goes on from the last one
    monotonic.now += 4
    assert checked(token).subject == "ada"
    checked.feed.freshness.mark_complete(monotonic.now)
    monotonic.now += 5
    with pytest.raises(ClockUncertain):
        checked(token)


def test_clocks_that_agree_refuse_with_401(checked: CheckedHarness, mint: Mint, clock: Any) -> None:
    checked.step(4)
    with pytest.raises(TokenExpired):
        checked(mint(exp=NOW - 2))
    with pytest.raises(TokenNotYetValid):
        checked(mint(iat=NOW + 100))


@pytest.mark.parametrize("step", STEPS)
def test_a_revoked_token_is_never_accepted_whatever_the_clock_shows(
    checked: CheckedHarness, mint: Mint, clock: Any, step: int
) -> None:
    token = mint(iat=NOW - 60)
    checked(token)
    checked.feed.revocations.apply(_ended())
    for offset in (step, 0, step):
        checked.step(offset)
        with pytest.raises((TokenRevoked, ClockUncertain)):
            checked(token)
    checked.step(10)
    with pytest.raises(TokenRevoked):
        checked(token)


def _ended() -> Any:
    issuer_feed = IssuerFeed(None)
    issuer_feed.append(SID)
    return issuer_feed.entries[0]


@pytest.mark.parametrize("step", STEPS)
def test_a_wrong_clock_forgets_no_revocation(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, clock: Any, monotonic: Any, step: int
) -> None:
    issuer_feed.append("a")
    issuer_feed.now = NOW
    polled_feed.poll()
    clock.now = NOW + step
    for _ in range(4):
        polled_feed.poll()
    assert b"a" in polled_feed.revocations.ended
    clock.now = NOW
    polled_feed.poll()
    assert b"a" in polled_feed.revocations.ended
    monotonic.now += 700
    clock.now, issuer_feed.now = NOW + 700, NOW + 700
    polled_feed.poll()
    assert not polled_feed.revocations.ended  # over by both


@pytest.mark.parametrize("step", [2 * HOUR, 40 * DAY])
@pytest.mark.parametrize("told", [True, False])
def test_a_step_that_issuer_and_verifier_follow_together_forgets_no_revocation(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, clock: Any, step: int, told: bool
) -> None:
    """One bad time server for all machines; or an issuer that does not tell its clock."""
    issuer_feed.append("a")
    for offset in (0, step, 0):
        clock.now, issuer_feed.now = NOW + offset, NOW + offset if told else None
        polled_feed.poll()
        assert b"a" in polled_feed.revocations.ended


def test_a_step_of_the_issuer_forgets_no_revocation(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, monotonic: Any
) -> None:
    issuer_feed.append("a")
    for issuer_feed.now in (NOW, NOW + 2 * HOUR, NOW + 40 * DAY, NOW - 40 * DAY, NOW):
        polled_feed.poll()
        assert b"a" in polled_feed.revocations.ended


def test_an_issuer_in_doubt_leaves_the_last_measurement(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, clock: Any
) -> None:
    issuer_feed.now = NOW
    polled_feed.poll()
    issuer_feed.now = None
    polled_feed.poll()
    assert polled_feed.freshness.issuer_clock == ClockBounds(NOW, NOW + 1)


def test_a_clock_that_is_wrong_is_logged_once_and_shown_in_the_metrics(
    issuer_feed: IssuerFeed,
    polled_feed: HttpFeed,
    key: SigningKey,
    clock: Any,
    monotonic: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = VerifierHarness("sync", KeySet([key]), polled_feed, clock, monotonic)
    issuer_feed.now = NOW
    clock.now = NOW - 20
    with caplog.at_level(logging.WARNING, "keyturn.verifier"):
        for _ in range(3):
            polled_feed._read(polled_feed._reader, polled_feed._stop, None)
    metrics = harness.verifier.metrics()
    assert metrics.clock_difference_seconds == -20
    assert metrics.problem == "this machine's clock or the issuer's is wrong: they differ by -20 s"
    assert [each.getMessage() for each in caplog.records] == [metrics.problem]
    clock.now = NOW
    polled_feed._read(polled_feed._reader, polled_feed._stop, None)
    assert (harness.verifier.metrics().problem, harness.verifier.metrics().clock_difference_seconds) == ("", 0)


def test_the_error_of_a_slow_poll_is_no_difference(
    issuer_feed: IssuerFeed, polled_feed: HttpFeed, key: SigningKey, mint: Mint, clock: Any, monotonic: Any
) -> None:
    harness = VerifierHarness("sync", KeySet([key]), polled_feed, clock, monotonic)
    issuer_feed.travel_seconds = 2.0
    issuer_feed.now = NOW
    polled_feed.poll()
    clock.now = NOW + 6
    assert harness.verifier.metrics().clock_difference_seconds == pytest.approx(4, abs=1)
    assert harness(mint(iat=NOW - 60)).subject == "ada"


def test_a_stream_tells_the_clock_too(clock: Any, monotonic: Any) -> None:
    reader = RecordingReader(monotonic)
    monotonic.now = 50.0
    feed = HttpFeed(ISSUER, stream=reader, clock=clock, monotonic=monotonic, monotonic_raw=monotonic, nonce=str)
    reader.streams = [[opening(), news("snapshot", 0, 1, stamp=1000.0, now=NOW)]]
    feed.stream()
    bounds = feed.freshness.issuer_clock
    assert bounds.low <= NOW - 50 <= bounds.high
    assert bounds.high - bounds.low == pytest.approx(1, abs=0.1)


def test_a_verifier_without_a_feed_keeps_its_wall_clock(harness: VerifierHarness, mint: Mint, clock: Any) -> None:
    harness.make(feed=None, revocation="none")
    clock.now = NOW + 2 * HOUR
    with pytest.raises(Refusal) as refusal:
        harness(mint())
    assert refusal.value.code == "token_expired"
