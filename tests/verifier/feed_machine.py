"""A log that appends, purges, rolls back and is replaced, and a reader whose pages are lost, repeated and reordered."""

import itertools
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from keyturn.core.feed import Action, LogCursor, PageExtent
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.verifier.feed_reader import FeedReader

NOW = 1_800_000_000
LIMIT = 2
"""Entries per page."""

numbers = itertools.count(1)


def revocation(sequence: int) -> Revocation:
    key = f"s{next(numbers)}"
    return Revocation(RevocationKind.SESSION, key, ENDED, Instant(NOW), Instant(NOW + 9000), sequence)


def mark_of(entry: Revocation) -> str:
    return entry.key.encode().hex()


@dataclass
class ModelLog:
    """The issuer's log. ``purged``: greatest sequence number that may be missing; ``purged_mark``: its mark.

    ``has_marks``: False for a log in Redis or in memory.
    """

    log_id: int = 1
    entries: list[Revocation] = field(default_factory=list[Revocation])
    sequence: int = 0
    purged: int = 0
    purged_mark: str = ""
    has_marks: bool = True

    def mark(self, sequence: int) -> str:
        """Return the mark of an entry, which the log keeps for the last entry that it purged."""
        if not self.has_marks:
            return ""
        if sequence == self.purged:
            return self.purged_mark
        return next((mark_of(each) for each in self.entries if each.sequence == sequence), "")

    def page(self, after: int, mark: str = "", *, is_snapshot: bool) -> "Page":
        entries = [each for each in self.entries if each.sequence > after][:LIMIT]
        is_lost = bool(mark and self.mark(after) and mark != self.mark(after))
        is_complete = not is_lost and (is_snapshot or self.purged <= after <= self.sequence)
        is_last = len(entries) < LIMIT
        end = self.sequence if is_snapshot and is_last else entries[-1].sequence if entries else after
        cursor = LogCursor(self.log_id, end, self.mark(end))
        extent = PageExtent(after, cursor, is_last, is_complete, is_snapshot)
        return Page(extent, tuple(entries), frozenset(each.key for each in self.entries))


@dataclass(frozen=True)
class Page:
    """A page on its way. ``truth``: revocations that the log held when it was read."""

    extent: PageExtent
    entries: tuple[Revocation, ...]
    truth: frozenset[str]


class FeedMachine(RuleBasedStateMachine):
    """The reader of a verifier against the log."""

    def __init__(self) -> None:
        super().__init__()
        self.log = ModelLog()
        self.reader = FeedReader(5.0, lambda: NOW, lambda: 1.0)
        self.pages: list[Page] = []
        self.streamed: int | None = None
        self.known: frozenset[str] = frozenset()

    def held(self) -> frozenset[str]:
        return frozenset(each.decode() for each in self.reader.revocations.ended)

    # --- the log ---

    @initialize(has_marks=st.booleans())
    def choose_store(self, has_marks: bool) -> None:
        self.log.has_marks = has_marks

    @rule(count=st.integers(1, 3))
    def append_entries(self, count: int) -> None:
        self.append(count)

    def append(self, count: int) -> None:
        for _ in range(count):
            self.log.sequence += 1
            self.log.entries.append(revocation(self.log.sequence))

    @precondition(lambda self: self.log.entries)
    @rule(count=st.integers(1, 3))
    def purge(self, count: int) -> None:
        last = self.log.entries[:count][-1]
        self.log.purged, self.log.purged_mark = last.sequence, mark_of(last)
        del self.log.entries[:count]

    @rule(kept=st.integers(0, 3))
    def replace_log(self, kept: int) -> None:
        """Restore a backup or fail over, with a new log id. Pages of the log before may still be on their way."""
        self.roll_back(kept)
        self.log.log_id += 1

    @precondition(lambda self: self.log.has_marks)
    @rule(kept=st.integers(0, 3))
    def roll_back_log(self, kept: int) -> None:
        """Restore a backup with the same log id. The nonce of a request keeps out pages from before."""
        self.roll_back(kept)
        self.pages.clear()

    def roll_back(self, kept: int) -> None:
        entries = self.log.entries[:kept]
        end = entries[-1].sequence if entries else 0
        purged, purged_mark = (self.log.purged, self.log.purged_mark) if self.log.purged <= end else (0, "")
        self.log = ModelLog(self.log.log_id, entries, end, purged, purged_mark, self.log.has_marks)
        self.streamed = None  # the streams of the database before have ended

    # --- the network ---

    @rule()
    def poll(self) -> None:
        """Request the page after the reader's position."""
        progress = self.reader.progress
        cursor = progress.cursor
        self.pages.append(self.log.page(cursor.sequence, cursor.mark, is_snapshot=not progress.is_following))

    @precondition(lambda self: self.reader.progress.is_following)
    @rule()
    def open_stream(self) -> None:
        """Open a stream at the reader's position. The issuer compares its mark, and may send a snapshot instead."""
        page = self.log.page(self.reader.cursor.sequence, self.reader.cursor.mark, is_snapshot=False)
        if page.extent.is_complete:
            self.streamed = self.reader.cursor.sequence
        else:
            self.deliver(page)

    @precondition(lambda self: self.reader.progress.is_following and self.streamed is not None)
    @rule(count=st.integers(0, 2), fate=st.sampled_from(["deliver", "lose", "delay"]))
    def push(self, count: int, fate: str) -> None:
        """Append to the log, and send the next page of the stream, or a heartbeat."""
        self.append(count)
        assert self.streamed is not None
        page = self.log.page(self.streamed, self.log.mark(self.streamed), is_snapshot=False)
        self.streamed = page.extent.end.sequence
        if fate == "deliver":
            self.deliver(page)
        elif fate == "delay":
            self.pages.append(page)

    @precondition(lambda self: self.pages)
    @rule(data=st.data(), is_repeated=st.booleans())
    def deliver_page(self, data: st.DataObject, is_repeated: bool) -> None:
        index = data.draw(st.integers(0, len(self.pages) - 1))
        self.deliver(self.pages[index] if is_repeated else self.pages.pop(index))

    @rule(log_id=st.integers(90, 92), is_snapshot=st.booleans())
    def deliver_foreign_page(self, log_id: int, is_snapshot: bool) -> None:
        """Deliver a page of another issuer's log at the reader's position."""
        if self.reader.progress.is_following:
            after = self.reader.cursor.sequence
            log = ModelLog(log_id, [revocation(after + 1)], after + 1)
            self.deliver(log.page(after, is_snapshot=is_snapshot))

    def deliver(self, page: Page) -> Action:
        action = self.reader.receive(page.extent, page.entries)
        if action is Action.COMPLETE:
            self.reader.mark_complete(1.0)
            assert page.truth <= self.held(), "complete without every revocation of the log"
        return action

    # --- the promises ---

    @rule()
    def settle(self) -> None:
        """Read until the end of the log, without a fault in between."""
        for _ in range(len(self.log.entries) // LIMIT + 4):
            self.poll()
            if self.deliver(self.pages.pop()) is Action.COMPLETE and self.reader.cursor.log_id == self.log.log_id:
                break
        else:
            raise AssertionError("the reader does not converge")
        assert self.reader.cursor.sequence == self.log.sequence, "the reader does not converge"

    @invariant()
    def no_revocation_is_forgotten(self) -> None:
        held = self.held()
        assert self.known <= held, "a known revocation was forgotten"
        self.known = held

    @invariant()
    def only_a_following_reader_is_complete(self) -> None:
        is_complete = self.reader.freshness.complete_as_of > float("-inf")
        assert self.reader.progress.is_following or not is_complete, "complete within a gap or a snapshot"
