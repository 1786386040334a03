"""One-time values: accepted once, refused otherwise, and what was made of one ends when it is presented again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, later, refused
from flows.race import run_against
from interleavings.harness import T0
from keyturn.core import one_time
from keyturn.core.audit import AuditEventType
from keyturn.core.one_time import LIMITS, MARGIN_SECONDS, Insertion, OneTimeKind, OneTimeLimits
from keyturn.core.sealed import Secrets
from keyturn.core.session import Session
from keyturn.core.types import Instant, Subject
from keyturn.errors import (
    ClockUncertain,
    Overloaded,
    Refusal,
    StoreUnavailable,
    Throttled,
    TokenExpired,
    TokenInvalid,
    TokenMalformed,
    TokenReused,
)
from keyturn.flows.effects import Flow, call
from keyturn.flows.one_time import REPLAYED, exchange_one_time, put_one_time, register_proof
from keyturn.ports import Entropy

CODE = OneTimeKind.CODE
HOURS = 2 * 3600
DAYS = 40 * 86_400
NEW_SECRET = b"renewed!" * 4


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def put(flows: FlowFixture, **changes: Any) -> Flow[Any]:
    arguments = {"kind": CODE, "subject": flows.x.session.subject, "payload": b"", "lifetime_seconds": 60}
    return put_one_time(**{**arguments, "now": T0, "config": flows.realm, **changes})


def end_reason(flows: FlowFixture, session: Session) -> str:
    loaded = flows.store.sessions.load(session.sid)
    assert loaded is not None
    return loaded.session.end_reason


def test_a_code_is_exchanged_for_a_session_under_the_id_in_its_mark(flows: FlowFixture) -> None:
    session = flows.run(flows.exchange(flows.put_code()))
    (mark,) = flows.store.one_time._values.values()
    assert (mark.uses, mark.made, mark.subject) == (1, session.sid, session.subject)
    assert end_reason(flows, session) == ""


def test_a_code_presented_again_is_refused_and_ends_its_session(flows: FlowFixture) -> None:
    text = flows.put_code()
    session = flows.run(flows.exchange(text))
    for _ in range(3):
        refused(flows, TokenReused, flows.exchange(text))
        assert end_reason(flows, session) == REPLAYED
    assert end_reason(flows, flows.x.session) == end_reason(flows, flows.y.session) == ""
    assert flows.store.log.sequence() == 1


class Audit:
    """An audit log that keeps the types of its events."""

    def __init__(self) -> None:
        self.events: list[AuditEventType] = []

    def append(self, event: Any) -> None:
        self.events.append(event.event)


def test_replays_of_one_code_are_recorded_once(flows: FlowFixture) -> None:
    text, audit = flows.spent_code(), Audit()
    for _ in range(3):
        refused(flows, TokenReused, flows.exchange(text), audit=audit)
    assert audit.events == [AuditEventType.REVOKED, AuditEventType.TOKEN_REUSED]


def test_a_replay_after_the_expiry_ends_the_session_too(flows: FlowFixture) -> None:
    text = flows.put_code()
    session = flows.run(flows.exchange(text))
    refused(flows, TokenReused, flows.exchange(text, later(60 + MARGIN_SECONDS)))
    assert end_reason(flows, session) == REPLAYED


def test_an_unknown_value_or_one_of_another_kind_is_refused(flows: FlowFixture) -> None:
    refused(flows, TokenInvalid, flows.exchange("kt_code_guess"))
    refused(flows, TokenInvalid, flows.exchange(flows.run(put(flows, kind=OneTimeKind.LINK)).reveal()))
    refused(flows, TokenMalformed, flows.exchange("x" * 257))


def test_an_expired_code_is_refused(flows: FlowFixture) -> None:
    text = flows.put_code()
    refused(flows, TokenExpired, flows.exchange(text, later(60)))
    assert flows.run(flows.exchange(text, later(59)))


@pytest.mark.parametrize("gap_seconds", [HOURS, DAYS])
def test_a_code_is_not_spent_while_it_is_live_by_one_clock_only(flows: FlowFixture, gap_seconds: int) -> None:
    text = flows.put_code()
    refused(flows, ClockUncertain, flows.exchange(text, T0, flows.realm.under_doubt(gap_seconds, 0)))
    behind = Instant(T0 - gap_seconds)
    refused(flows, ClockUncertain, flows.exchange(text, behind, flows.realm.under_doubt(gap_seconds + 60, 0)))
    assert flows.run(flows.exchange(text))


@pytest.mark.parametrize("ahead_seconds", [HOURS, DAYS])
def test_a_code_dated_by_a_clock_that_was_ahead_is_not_accepted_later(flows: FlowFixture, ahead_seconds: int) -> None:
    text = flows.run(put(flows, now=later(ahead_seconds)))
    refused(flows, ClockUncertain, flows.exchange(text.reveal(), later(120)))


def test_nothing_is_put_that_would_not_live_by_each_clock(flows: FlowFixture) -> None:
    refused(flows, ClockUncertain, put(flows, config=flows.realm.under_doubt(60, 0)))
    assert flows.run(put(flows, config=flows.realm.under_doubt(59, 0)))


@pytest.mark.parametrize("seconds", [0, -1, 601])
def test_a_lifetime_outside_the_limit_of_the_kind_is_refused(flows: FlowFixture, seconds: int) -> None:
    with pytest.raises(ValueError, match="lives at most 600 s"):
        flows.run(put(flows, lifetime_seconds=seconds))


class ConstantEntropy:
    def token_bytes(self, size: int) -> bytes:
        return bytes(size)


def test_a_broken_random_source_is_noticed(flows: FlowFixture) -> None:
    flows.run(put(flows), entropy=ConstantEntropy())
    with pytest.raises(ValueError, match="taken"):
        flows.run(put(flows))


def test_a_full_store_refuses_new_values_and_accepts_stored_ones(
    flows: FlowFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(one_time.LIMITS, CODE, OneTimeLimits(600, 2, 3))
    spent, live = flows.spent_code(), flows.put_code()
    assert refused(flows, Throttled, put(flows)).retry_after_seconds == 60
    flows.run(put(flows, subject="bob"))
    assert refused(flows, Overloaded, put(flows, subject="eve")).retry_after_seconds == 60
    refused(flows, TokenReused, flows.exchange(spent))
    assert flows.run(flows.exchange(live))


def test_a_code_put_under_the_previous_secret_is_accepted_once(flows: FlowFixture) -> None:
    text = flows.put_code()
    renewed = replace(flows.realm, secrets=Secrets(NEW_SECRET, flows.realm.secrets.current))
    refused(flows, TokenInvalid, flows.exchange(text, T0, replace(renewed, secrets=Secrets(NEW_SECRET))))
    session = flows.run(flows.exchange(text, T0, renewed))
    refused(flows, TokenReused, flows.exchange(text, T0, renewed))
    assert end_reason(flows, session) == REPLAYED


def rival(flows: FlowFixture, text: str, said: list[object]) -> Callable[[], None]:
    """Return another request with the same code, which notes its result in ``said``."""

    def exchange() -> None:
        try:
            said.append(flows.run(flows.exchange(text)))
        except Refusal as refusal:
            said.append(type(refusal))

    return exchange


def test_the_loser_of_two_exchanges_ends_what_the_winner_made(flows: FlowFixture) -> None:
    text, said = flows.put_code(), []
    with pytest.raises(TokenReused):
        run_against(flows, flows.exchange(text), "one_time.replace", rival(flows, text, said))
    (session,) = said
    assert end_reason(flows, session) == REPLAYED


def test_a_replay_before_the_session_is_created_ends_it(flows: FlowFixture) -> None:
    text, said = flows.put_code(), []
    with pytest.raises(TokenReused):
        run_against(flows, flows.exchange(text), "sessions.insert", rival(flows, text, said))
    assert said == [TokenReused]
    (mark,) = flows.store.one_time._values.values()
    loaded = flows.store.sessions.load(mark.made)
    assert loaded is not None
    assert loaded.session.end_reason == REPLAYED


def test_a_mark_that_was_purged_meanwhile_proves_nothing(flows: FlowFixture) -> None:
    purge = lambda: flows.store.one_time.purge(later(DAYS))  # noqa: E731
    with pytest.raises(TokenReused):
        run_against(flows, flows.exchange(flows.put_code()), "sessions.insert", purge)


def test_a_value_that_makes_no_session_can_be_exchanged_once(flows: FlowFixture) -> None:
    text = flows.run(put(flows, kind=OneTimeKind.LINK, subject="address:192.0.2.1", payload=b"ada")).reveal()

    def confirm(value: Any) -> Flow[bytes]:
        yield from call(Entropy.token_bytes, 1)
        return value.payload + value.made[:2].encode()

    def exchange() -> Flow[bytes]:
        return exchange_one_time(OneTimeKind.LINK, text, confirm, T0, flows.realm, Subject("ada"))

    assert flows.run(exchange()).startswith(b"ada")
    refused(flows, TokenReused, exchange())


def test_a_proof_is_accepted_once(flows: FlowFixture) -> None:
    lifetime = LIMITS[OneTimeKind.PROOF].lifetime_seconds

    def register(text: str = "jti", now: Instant = T0, realm: Any = None) -> Flow[None]:
        return register_proof(text, "ada", T0, now, realm or flows.realm)

    flows.run(register())
    refused(flows, TokenReused, register())
    refused(flows, TokenReused, register(now=later(lifetime - 1)))
    refused(flows, TokenExpired, register(now=later(lifetime)))
    refused(flows, TokenReused, register(realm=replace(flows.realm, secrets=Secrets(NEW_SECRET, b"explored" * 4))))
    refused(flows, ClockUncertain, register("other", realm=flows.realm.under_doubt(lifetime, 0)))
    refused(flows, ClockUncertain, register("other", now=Instant(T0 - DAYS)))
    flows.run(register("other", later(lifetime - 1)))


class RestoredStore:
    """A store of one-time values that may have lost those from before ``since``."""

    def __init__(self, real: Any, since: Instant) -> None:
        self._real, self._since = real, since

    def insert(self, *arguments: Any) -> Insertion:
        return Insertion(self._real.insert(*arguments).outcome, self._since)


def test_a_proof_from_before_a_restore_is_refused(flows: FlowFixture) -> None:
    restored = RestoredStore(flows.store.one_time, T0)
    for number, seconds in enumerate((-1, 0, 10)):
        refused(
            flows,
            StoreUnavailable,
            register_proof(f"early {number}", "ada", later(seconds), T0, flows.realm),
            one_time=restored,
        )
    flows.run(register_proof("late", "ada", later(11), later(11), flows.realm), one_time=restored)
