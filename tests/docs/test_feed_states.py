"""The drawing of a feed reader's states shows the table that the readers follow."""

import re

import pytest

from docs.feed_states import DRAWING, draw
from keyturn.core.feed import TRANSITIONS, Action, Event, State


def test_the_drawing_is_made_from_the_table() -> None:
    assert DRAWING.read_text() == draw(), "run: python tests/docs/feed_states.py"


def test_the_drawing_shows_every_transition_once() -> None:
    labels = re.findall(r'class="label"[^>]*>([^<]+)<', draw())
    assert sorted(labels) == sorted(
        f"{event.value}: {action.value}" for row in TRANSITIONS.values() for event, (_, action) in row.items()
    )


def test_another_transition_changes_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSITIONS[State.GAP], Event.PAGE, (State.GAP, Action.RESTART))
    assert DRAWING.read_text() != draw()
