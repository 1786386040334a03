"""A reader of the feed keeps its promises whatever the log and the network do, and the machine finds planted faults."""

from collections.abc import Callable

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from keyturn.core.feed import TRANSITIONS, Action, Event, LogCursor, PageExtent, Progress, State
from keyturn.core.revocation import RevocationSet
from keyturn.verifier.feed_reader import FeedReader
from verifier.feed_machine import FeedMachine


def test_a_reader_keeps_every_promise() -> None:
    run_state_machine_as_test(FeedMachine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))


def skip_log_test(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LogCursor, "is_in", lambda *_: True)


def skip_gap_test(patch: pytest.MonkeyPatch) -> None:
    ignore(Event.PURGE, patch)


def skip_order_test(patch: pytest.MonkeyPatch) -> None:
    ignore(Event.DISCONNECT, patch)


def ignore(ignored: Event, patch: pytest.MonkeyPatch) -> None:
    def event(reader: Progress, page: PageExtent) -> Event:
        found = true_event(reader, page)
        return (Event.HEARTBEAT if page.is_last else Event.PAGE) if found is ignored else found

    true_event = Progress.event
    patch.setattr(Progress, "event", event)


def complete_within_a_snapshot(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(TRANSITIONS[State.GAP], Event.PAGE, (State.FOLLOWING, Action.COMPLETE))


def never_leave_a_gap(patch: pytest.MonkeyPatch) -> None:
    for event in (Event.PAGE, Event.HEARTBEAT):
        patch.setitem(TRANSITIONS[State.GAP], event, (State.GAP, Action.RESTART))


def forget_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    def restart(reader: FeedReader, *, is_restored: bool = False) -> None:
        true_restart(reader, is_restored=is_restored)
        reader.revocations = RevocationSet()

    true_restart = FeedReader.restart
    patch.setattr(FeedReader, "restart", restart)


def stay_fresh_in_a_gap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keyturn.core.freshness.Freshness.invalidate", lambda _: None)


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (skip_log_test, "without every revocation|not converge"),
        (skip_gap_test, "without every revocation|not converge"),
        (skip_order_test, "without every revocation"),
        (complete_within_a_snapshot, "without every revocation"),
        (never_leave_a_gap, "does not converge"),
        (forget_at_a_restart, "was forgotten"),
        (stay_fresh_in_a_gap, "within a gap"),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    search = settings(
        max_examples=2000,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )
    with pytest.raises(AssertionError, match=found):
        run_state_machine_as_test(FeedMachine, settings=search)
