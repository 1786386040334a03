"""Verification under revocations, a stale feed and the token cache."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.errors import Refusal, RevocationUnknown, TokenExpired, TokenInvalid, TokenRevoked, Unavailable
from keyturn.tokens import KeySet, SigningKey
from keyturn.verifier import Verifier
from verifier.harness import ISSUER, NOW, SID, Mint, VerifierHarness


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize(
    ("kind", "named", "value", "revoked"),
    [
        (RevocationKind.SESSION, SID, ENDED, True),
        (RevocationKind.SESSION, SID, 7, False),
        (RevocationKind.SESSION, "BbCdEfGhIjKlMnOpQrStuA", ENDED, False),
        (RevocationKind.SUBJECT, "ada", 4, True),
        (RevocationKind.SUBJECT, "ada", 3, False),
        (RevocationKind.SUBJECT, "bob", 4, False),
        (RevocationKind.CLIENT, "web", NOW + 1, True),
        (RevocationKind.CLIENT, "web", NOW, False),
        (RevocationKind.CLIENT, "ios", NOW + 1, False),
        (RevocationKind.EVERYTHING, "", NOW + 1, True),
        (RevocationKind.EVERYTHING, "", NOW, False),
    ],
)
def test_a_revocation_refuses_exactly_its_target(
    harness: VerifierHarness, mint: Mint, kind: RevocationKind, named: str, value: int, revoked: bool, seen: bool
) -> None:
    token = mint()
    if seen:
        harness(token)
    harness.revoke(kind, named, value)
    if revoked:
        with pytest.raises(TokenRevoked):
            harness(token)
    else:
        assert harness(token)


@pytest.mark.parametrize("seen", [False, True])
def test_a_revocation_applied_during_a_check_refuses_the_next_call(
    harness: VerifierHarness, mint: Mint, seen: bool
) -> None:
    class Ended(set[bytes]):
        def __contains__(self, sid: object) -> bool:
            harness.feed.revocations.ended = set[bytes]()
            harness.revoke(RevocationKind.SESSION, SID, ENDED)
            return False

    token = mint()
    if seen:
        harness(token)
        harness.revoke(RevocationKind.SUBJECT, "bob", 4)
    harness.feed.revocations.ended = Ended()
    assert harness(token)
    with pytest.raises(TokenRevoked):
        harness(token)


@pytest.mark.parametrize("seen", [False, True])
def test_past_the_staleness_bound_every_token_is_revocation_unknown(
    harness: VerifierHarness, mint: Mint, monotonic: Any, seen: bool
) -> None:
    token = mint()
    if seen:
        harness(token)
    monotonic.now = 5.0
    assert harness(token)
    monotonic.now = 5.001
    with pytest.raises(RevocationUnknown) as unknown:
        harness(token)
    assert (unknown.value.status, unknown.value.retry_after_seconds) == (503, 1)
    harness.feed.freshness.mark_complete(5.001)
    assert harness(token)


def test_the_wall_clock_has_no_say_in_freshness(
    harness: VerifierHarness, mint: Mint, clock: Any, monotonic: Any
) -> None:
    token = mint()
    monotonic.now = 6
    clock.now = NOW - 3
    with pytest.raises(RevocationUnknown):
        harness(token)


def test_the_stricter_of_both_bounds_holds(
    harness: VerifierHarness, mint: Mint, monotonic: Any, make_feed: Any
) -> None:
    for declared, own in ((2, 5), (60, 2)):
        harness.make(feed=make_feed(bound_seconds=declared), staleness_seconds=own)
        monotonic.now = 2
        assert harness(mint())
        monotonic.now = 2.1
        with pytest.raises(RevocationUnknown):
            harness(mint())


def test_a_known_revocation_holds_past_the_staleness_bound(
    harness: VerifierHarness, mint: Mint, monotonic: Any
) -> None:
    harness.introspect()
    harness.revoke(RevocationKind.SESSION, SID, ENDED)
    monotonic.now = 100
    with pytest.raises(TokenRevoked):
        harness(mint())
    assert harness.introspected == []


@pytest.mark.parametrize("seen", [False, True])
def test_each_token_is_introspected_while_the_feed_is_stale(
    harness: VerifierHarness, mint: Mint, monotonic: Any, seen: bool
) -> None:
    harness.introspect()
    token = mint()
    if seen:
        harness(token)
    assert harness.introspected == []
    monotonic.now = 6
    assert harness(token)
    assert harness(token)
    assert harness.introspected == [token, token], "an answer is about now: it is not remembered"
    harness.active = False
    with pytest.raises(TokenRevoked):
        harness(token)


@pytest.mark.parametrize(
    "failure", [OSError("down"), Unavailable("down"), TokenInvalid("x"), ValueError(), TimeoutError()]
)
def test_introspection_that_fails_says_neither_yes_nor_no(
    harness: VerifierHarness, mint: Mint, monotonic: Any, failure: Exception
) -> None:
    harness.introspect()
    harness.active = failure
    monotonic.now = 6
    with pytest.raises(RevocationUnknown) as unknown:
        harness(mint())
    assert unknown.value.__cause__ is failure


@pytest.mark.parametrize("answer", [1, "yes", None, {}])
def test_only_true_is_a_yes(harness: VerifierHarness, mint: Mint, monotonic: Any, answer: object) -> None:
    harness.introspect()
    harness.active = answer
    monotonic.now = 6
    with pytest.raises(TokenRevoked):
        harness(mint())


def test_an_expired_or_misdirected_token_is_not_introspected(
    harness: VerifierHarness, mint: Mint, monotonic: Any
) -> None:
    harness.introspect()
    monotonic.now = 6
    for token, refusal in ((mint(exp=NOW - 10), TokenExpired), (mint(aud="x"), TokenInvalid)):
        with pytest.raises(refusal):
            harness(token)
    assert harness.introspected == []


def test_without_a_feed_by_explicit_choice_a_token_lives_until_it_expires(
    harness: VerifierHarness, mint: Mint, clock: Any, monotonic: Any
) -> None:
    harness.make(feed=None, revocation="none")
    token = mint()
    assert harness(token)
    monotonic.now = 1e9
    assert harness(token)
    clock.now = NOW + 605
    with pytest.raises(TokenExpired):
        harness(token)


# --- memory changes no verdict ------------------------------------------------------------------------------

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("clock"), st.integers(-20, 700)),
        st.tuples(st.just("monotonic"), st.integers(0, 4)),
        st.tuples(st.just("confirm"), st.just(0)),
        st.tuples(st.just("subject"), st.integers(0, 6)),
        st.tuples(st.just("client"), st.integers(-2, 2)),
        st.tuples(st.just("everything"), st.integers(-2, 2)),
        st.tuples(st.just("session"), st.sampled_from([3, ENDED])),
    ),
    max_size=12,
)


def _outcome(verify: Verifier, token: str) -> object:
    try:
        return verify(token)
    except Refusal as refusal:
        return type(refusal)


@given(moves=MOVES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_verifier_that_remembers_answers_as_one_that_does_not(
    moves: list[tuple[str, int]], mint: Mint, key: SigningKey, make_feed: Any, make_clock: Any
) -> None:
    feed, clock, monotonic = make_feed(), make_clock(NOW), make_clock(0)
    shared: dict[str, Any] = {"keys": KeySet([key]), "feed": feed, "clock": clock, "monotonic": monotonic}
    remembering = Verifier(ISSUER, "orders", **shared)
    forgetting = Verifier(ISSUER, "orders", token_cache_size=0, **shared)
    tokens = [mint(), mint(sub="bob", sid="BbCdEfGhIjKlMnOpQrStuA"), mint(client_id="ios", iat=NOW + 1)]
    for move, amount in [("confirm", 0), *moves]:
        if move == "clock":
            clock.now = NOW + amount
        elif move == "monotonic":
            monotonic.now += amount
        elif move == "confirm":
            feed.freshness.mark_complete(monotonic.now)
        else:
            named = {"subject": "ada", "client": "web", "everything": "", "session": SID}[move]
            value = NOW + amount if move in ("client", "everything") else amount
            feed.revocations.apply(Revocation(RevocationKind(move), named, value, Instant(NOW), Instant(NOW + 1000)))
        for token in tokens:
            assert _outcome(remembering, token) == _outcome(forgetting, token)
