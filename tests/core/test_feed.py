"""Reading of the feed: every state with every event, and the page that is each event."""

from dataclasses import replace
from itertools import product

import pytest

from keyturn.core.feed import (
    ANY_LOG,
    LOG_START,
    TRANSITIONS,
    Action,
    Event,
    LogCursor,
    PageExtent,
    Progress,
    State,
)
from keyturn.core.revocation import RevocationPage

READERS = {
    State.EMPTY: Progress(),
    State.SNAPSHOT: Progress(State.SNAPSHOT, LogCursor(7, 5)),
    State.FOLLOWING: Progress(State.FOLLOWING, LogCursor(7, 5, "m")),
    State.GAP: Progress(State.GAP, LogCursor(7, 0)),
}


def page_of(reader: Progress, event: Event) -> PageExtent:
    after = reader.cursor.sequence
    next_page = PageExtent(after, LogCursor(7, after + 2, "n"), is_snapshot=not reader.is_following)
    return {
        Event.PAGE: next_page,
        Event.HEARTBEAT: replace(next_page, is_last=True),
        Event.DISCONNECT: replace(next_page, after=after + 1),
        Event.PURGE: replace(next_page, is_complete=False),
        Event.ANOTHER_LOG: replace(next_page, end=LogCursor(8, after + 2), is_complete=False),
    }[event]


def test_the_table_answers_for_every_state_and_event() -> None:
    assert TRANSITIONS.keys() == set(State)
    assert all(row.keys() == set(Event) for row in TRANSITIONS.values())


def test_only_a_page_that_reaches_the_end_completes_and_only_a_gap_restarts_a_following_reader() -> None:
    for state, event in product(State, Event):
        following, action = TRANSITIONS[state][event]
        assert (action is Action.COMPLETE) == (event is Event.HEARTBEAT)
        assert action is not Action.COMPLETE or following is State.FOLLOWING
        assert state is State.FOLLOWING or following is not State.FOLLOWING or action is Action.COMPLETE
        if event in (Event.PURGE, Event.ANOTHER_LOG):
            assert (following, action) == (State.GAP, Action.RESTART)


# A reader that has read nothing knows no log: no page is of another one.
POSSIBLE = [each for each in product(State, Event) if each != (State.EMPTY, Event.ANOTHER_LOG)]


@pytest.mark.parametrize(("state", "event"), POSSIBLE, ids=lambda each: each.value)
def test_every_page_follows_the_table(state: State, event: Event) -> None:
    reader = READERS[state]
    page = page_of(reader, event)
    assert reader.event(page) is event
    following, action = TRANSITIONS[state][event]
    cursor = {Action.RESUME: reader.cursor, Action.RESTART: LOG_START}.get(action, page.end)
    assert reader.advance(page) == (Progress(following, cursor), action)


@pytest.mark.parametrize(
    ("change", "event"),
    [
        ({}, Event.PAGE),
        ({"is_snapshot": True}, Event.DISCONNECT),
        ({"after": 4}, Event.DISCONNECT),
        ({"after": 5, "end": LogCursor(7, 4)}, Event.PURGE),
        ({"end": LogCursor(8, 6), "after": 0}, Event.ANOTHER_LOG),
    ],
)
def test_a_following_reader_takes_only_the_page_that_continues_its_log(change: dict[str, object], event: Event) -> None:
    page = replace(PageExtent(5, LogCursor(7, 6)), **change)  # type: ignore[arg-type]
    assert READERS[State.FOLLOWING].event(page) is event


def test_a_cursor_without_a_log_is_in_every_log() -> None:
    assert LogCursor(ANY_LOG, 3).is_in(7)
    assert LogCursor(7, 3).is_in(7)
    assert not LogCursor(7, 3).is_in(8)


def test_a_requested_page_is_of_the_kind_that_was_asked_for() -> None:
    page = RevocationPage((), 5, log_id=7).extent(5, is_last=True)
    assert page == PageExtent(5, LogCursor(7, 5), is_last=True)
    for state in (State.SNAPSHOT, State.FOLLOWING):
        assert READERS[state].event(page) is Event.HEARTBEAT
