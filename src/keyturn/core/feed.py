"""Reading of the revocation feed: one cursor, one table of states and transitions, and the function that applies it.

Every reader of a revocation log decides here, on every transport, if a page continues its position, and if it must take
a snapshot instead. No other module compares the ids of logs for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

ANY_LOG: Final = -1
"""Log id in the cursor of a reader that has read no page yet: pages of any log continue it."""


@dataclass(frozen=True, slots=True)
class LogCursor:
    """Position of a reader in a revocation log: it has read everything up to ``sequence`` of the log ``log_id``.

    ``mark``: the signed ``LogMark`` of the entry there, by which a restored log is detected; empty without one.
    """

    log_id: int
    sequence: int
    mark: str = ""

    def is_in(self, log_id: int) -> bool:
        """Return True if ``log_id`` is the log of this position."""
        return self.log_id in (ANY_LOG, log_id)


LOG_START: Final = LogCursor(ANY_LOG, 0)
"""Position of a reader that has read nothing, or must take a snapshot."""


class State(Enum):
    """State of a reader of the feed."""

    EMPTY = "empty"
    SNAPSHOT = "snapshot"
    FOLLOWING = "following"
    GAP = "gap"


class Event(Enum):
    """Event of a feed, relative to the position of its reader."""

    PAGE = "page"
    """Entries that follow the position; more entries come after them."""
    HEARTBEAT = "heartbeat"
    """Entries, or none, that follow the position and reach the end of the log."""
    DISCONNECT = "disconnect"
    """The connection ended, or delivered a page that was lost before, repeated, or reordered."""
    PURGE = "purge"
    """The log purged entries after the position, or ends before it."""
    ANOTHER_LOG = "another log"
    """The log has another id: its sequence numbers name other entries."""


class Action(Enum):
    """Action of a reader after an event."""

    APPLY = "apply"
    """Apply the entries and continue after them."""
    COMPLETE = "complete"
    """Apply the entries; the reader then has every revocation as of the request."""
    RESUME = "resume"
    """Discard the page and request the entries after the same position again."""
    RESTART = "restart"
    """Discard the page and take a snapshot. Known revocations are kept."""


_START_SNAPSHOT: Final[Mapping[Event, tuple[State, Action]]] = {
    Event.PAGE: (State.SNAPSHOT, Action.APPLY),
    Event.HEARTBEAT: (State.FOLLOWING, Action.COMPLETE),
    Event.PURGE: (State.GAP, Action.RESTART),
    Event.ANOTHER_LOG: (State.GAP, Action.RESTART),
}

TRANSITIONS: Final[Mapping[State, Mapping[Event, tuple[State, Action]]]] = {
    State.EMPTY: {**_START_SNAPSHOT, Event.DISCONNECT: (State.EMPTY, Action.RESTART)},
    State.SNAPSHOT: {**_START_SNAPSHOT, Event.DISCONNECT: (State.SNAPSHOT, Action.RESUME)},
    State.FOLLOWING: {
        **_START_SNAPSHOT,
        Event.PAGE: (State.FOLLOWING, Action.APPLY),
        Event.DISCONNECT: (State.FOLLOWING, Action.RESUME),
    },
    State.GAP: {**_START_SNAPSHOT, Event.DISCONNECT: (State.GAP, Action.RESTART)},
}
"""For every state and event: the next state and the action. Only ``FOLLOWING`` is complete up to its position."""


@dataclass(frozen=True, slots=True)
class PageExtent:
    """Extent of a page: the entries after sequence number ``after`` up to the cursor ``end``.

    ``is_last``: it reaches the end of the log. ``is_complete``: False if the log purged entries after ``after``, or
    ends before it. ``is_snapshot``: True for a page of a snapshot, False for one of the log, as a stream says; None for
    a requested page.
    """

    after: int
    end: LogCursor
    is_last: bool = False
    is_complete: bool = True
    is_snapshot: bool | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """State and position of a reader."""

    state: State = State.EMPTY
    cursor: LogCursor = LOG_START

    @property
    def is_following(self) -> bool:
        """True once every revocation up to the position was read."""
        return self.state is State.FOLLOWING

    def event(self, page: PageExtent) -> Event:
        """Return the event that ``page`` is for this reader."""
        if not self.cursor.is_in(page.end.log_id):
            return Event.ANOTHER_LOG
        if not page.is_complete or page.end.sequence < page.after:
            return Event.PURGE
        if page.after != self.cursor.sequence or page.is_snapshot is self.is_following:
            return Event.DISCONNECT
        return Event.HEARTBEAT if page.is_last else Event.PAGE

    def advance(self, page: PageExtent) -> tuple["Progress", Action]:
        """Return the progress after ``page`` and the action to take."""
        state, action = TRANSITIONS[self.state][self.event(page)]
        if action is Action.RESTART:
            return Progress(state), action
        return replace(self, state=state, cursor=self.cursor if action is Action.RESUME else page.end), action
