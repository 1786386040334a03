"""Every order of commits, crashes, backups and restores, with a mark beside the database and one remote reader.

The log is a model of the store's; marks, pages, the follower and the reader are the real ones.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from effort import effort
from keyturn.core.feed import ANY_LOG, LogCursor, Progress, State
from keyturn.core.log_mark import ABSENT, LogMark
from keyturn.core.revocation import ENDED, Revocation, RevocationKind, RevocationPage
from keyturn.core.sealed import Secrets
from keyturn.core.signed_mark import sign_mark
from keyturn.core.types import Instant
from keyturn.errors import StoreRestored
from keyturn.flows import drive
from keyturn.ports import Ports
from keyturn.stores.log_follower import LogFollower
from keyturn.verifier.feed_reader import FeedReader
from keyturn.verifier.polling import poll
from keyturn.web.endpoints.service import FeedRequest, feed_response, read_feed

SECRETS = Secrets(b"a" * 32)
DATABASE = 3
NOW = Instant(1_900_000_000)
DEPTH = effort(8, 11)


@dataclass
class ModelLog:
    """The database: what a restore puts back."""

    entries: tuple[Revocation, ...] = ()
    log_id: int = 10
    suspended_before: int = 0

    def after(self, sequence: int, limit: int) -> RevocationPage:
        entries = self.entries[sequence : sequence + limit]
        end = entries[-1].sequence if entries else sequence
        return RevocationPage(
            entries,
            end,
            sequence <= len(self.entries),
            self.log_id,
            self._mark(sequence),
            self._mark(end),
            suspended_before=self.suspended_before,
        )

    def snapshot(self) -> RevocationPage:
        return replace(self.after(0, 100), start=None)

    def sequence(self) -> int:
        return len(self.entries)

    def mark_restored(self, known: LogMark, now: Instant) -> bool:
        is_lost = known.is_contradicted_by(self._mark(known.sequence))
        if is_lost:
            self.log_id, self.suspended_before = max(self.log_id, known.log) + 1, now
        return is_lost

    def _mark(self, sequence: int) -> LogMark:
        tag = 0 if sequence == 0 else ABSENT if sequence > len(self.entries) else self.entries[sequence - 1].tag
        return LogMark(DATABASE, self.log_id, sequence, tag)


class Ignore:
    """A sink: the model follows what is stored and what the remote reader knows."""

    def apply(self, entry: Revocation) -> None: ...

    def reset(self, page: RevocationPage) -> None: ...

    def mark_complete(self, requested_at: float) -> None: ...

    def expire(self, now: Instant) -> None: ...


@dataclass
class World:
    """State of the model.

    ``mark``: the file. ``pending``: mark that was read from the store and is not yet written to the file.
    ``lost``: True if a restore has lost an entry. ``evidence``: True if the file names one, and no operator has decided
    since.
    """

    log: ModelLog = field(default_factory=ModelLog)
    backup: ModelLog | None = None
    mark: LogMark | None = None
    pending: LogMark | None = None
    follower: LogFollower | None = None
    reader: FeedReader = field(default_factory=lambda: FeedReader(5.0, lambda: NOW, lambda: 0.0))
    clock: float = 0.0
    tags: int = 0
    lost: bool = False
    evidence: bool = False
    restores: int = 0

    def open_follower(self) -> LogFollower:
        if self.follower is None:
            self.follower = LogFollower(self.log, Ignore(), now=lambda: NOW, jitter=lambda: 0.5, save_mark=self._keep)
        return self.follower

    def _keep(self, mark: LogMark) -> None:
        self.pending = mark


def append(world: World) -> None:
    """Commit a revocation."""
    world.tags += 1
    sequence = len(world.log.entries) + 1
    entry = Revocation(RevocationKind.SESSION, f"s{world.tags}", ENDED, NOW, Instant(NOW + 600), sequence, world.tags)
    world.log.entries += (entry,)


def follow(world: World) -> None:
    """Read the log in the server's process; the mark is not written yet."""
    world.open_follower().poll_once(world.clock)


def write_mark(world: World) -> None:
    known, mark = world.mark, world.pending
    if mark is not None and (known is None or (known.log, known.sequence) < (mark.log, mark.sequence)):
        world.mark = mark
    world.pending = None


def crash(world: World) -> None:
    """Kill the server: what was read and not written is forgotten. Start it again, with its check of the mark."""
    world.follower = world.pending = None
    if world.mark is not None:
        world.log.mark_restored(world.mark, NOW)


def back_up(world: World) -> None:
    world.backup = deepcopy(world.log)


def restore(world: World) -> None:
    """Stop the server, put the backup back, and start the server."""
    assert world.backup is not None
    before = world.log.entries
    world.log = deepcopy(world.backup)
    world.restores += 1
    kept = {each.tag for each in world.log.entries}
    lost = {each.tag for each in before} - kept
    world.lost = world.lost or bool(lost)
    known = {world.mark.tag} if world.mark is not None else set[Any]()
    world.evidence = bool(lost & known)
    crash(world)


def poll_once(world: World) -> None:
    """Read the feed as a verifier that polls."""
    ports = cast(Ports, SimpleNamespace(log=world.log))

    def send(request: Any) -> bytes:
        query = dict(each.split("=", 1) for each in request.full_url.partition("?")[2].split("&"))
        cursor = LogCursor(ANY_LOG, int(query.get("after", query.get("seed", "0"))), query.get("mark", ""))
        state = State.FOLLOWING if "after" in query else State.SNAPSHOT
        page = drive(read_feed(FeedRequest(Progress(state, cursor)), SECRETS, NOW), ports)
        return msgspec.json.encode(feed_response(page, query["nonce"], sign_mark(page.end, SECRETS)))

    world.clock += 1
    poll(
        world.reader,
        "https://auth.example.com/auth/revocations",
        {},
        send=send,
        nonce=lambda: "n",
    )


def decide(world: World) -> None:
    """Confirm as an operator that the older sessions may be served."""
    world.log.suspended_before, world.evidence = 0, False
    world.log.log_id += 1


STEPS: dict[str, Callable[[World], None]] = {
    "append": append,
    "follow": follow,
    "write mark": write_mark,
    "crash": crash,
    "back up": back_up,
    "restore": restore,
    "poll": poll_once,
    "decide": decide,
}


def is_possible(world: World, step: str) -> bool:
    return {
        "append": len(world.log.entries) < 3,
        "write mark": world.pending is not None,
        "back up": world.backup is None,
        "restore": world.backup is not None and world.restores < 2,
        "decide": world.log.suspended_before > 0,
    }.get(step, True)


def check(world: World, path: tuple[str, ...]) -> None:
    is_suspended = world.log.suspended_before > 0
    assert not is_suspended or world.lost, f"a crash or a purge looked like a restore: {path}"
    assert is_suspended or not world.evidence, f"the mark beside the database was ignored: {path}"
    if path[-1] == "poll" and not is_suspended:
        missing = [each.key for each in world.log.entries if each.key.encode() not in world.reader.revocations.ended]
        assert not missing, f"acknowledged and never delivered: {missing} after {path}"


def key_of(world: World) -> object:
    """Return all that later steps depend on."""
    follower, reader = world.follower, world.reader
    followed = None if follower is None else (follower._progress, follower._mark)
    read = (reader.progress, frozenset(reader.revocations.ended))
    logs = tuple(
        (tuple(each.tag for each in log.entries), log.log_id, log.suspended_before)
        for log in (world.log, world.backup or ModelLog(log_id=0))
    )
    return logs, world.mark, world.pending, followed, read, world.lost, world.evidence, world.restores


def take(step: Callable[[World], None], world: World, path: tuple[str, ...]) -> World:
    later = deepcopy(world)
    known = set(later.reader.revocations.ended)
    try:
        step(later)
    except StoreRestored:
        assert later.log.suspended_before, path
    assert later.reader.revocations.ended >= known, f"a reader forgot a revocation: {path}"
    check(later, path)
    return later


def explore(depth: int) -> int:
    """Take every possible step in every reachable state. Return the number of states."""
    states, seen = [(World(), ())], set[object]()
    for _ in range(depth):
        found = []
        for world, path in states:
            for name, step in STEPS.items():
                if is_possible(world, name):
                    later = take(step, world, (*path, name))
                    if (key := key_of(later)) not in seen:
                        seen.add(key)
                        found.append((later, (*path, name)))
        states = found
    return len(seen)


def test_every_order_of_crash_and_restore_delivers_each_revocation_and_raises_no_false_alarm() -> None:
    assert explore(DEPTH) > 1000
