"""Two processes, each with a session cache, on one store; the feed between them is delivered step by step."""

from copy import deepcopy
from typing import Any

from interleavings.explorer import Actor, AnyOf, Explorer, Node
from interleavings.harness import Harness
from interleavings.oracle import dead
from interleavings.state import SystemState, freeze
from keyturn.core.feed import LogCursor
from keyturn.core.session import CachedSession
from keyturn.core.types import SessionId
from keyturn.flows.effects import Call, Flow
from keyturn.stores.session_cache import LocalSessionCache

STALENESS_SECONDS = 5
ASKING = ("verify", "access")


class Clock:
    """The monotonic clock both processes share, in seconds; moved by a step like any other."""

    def __init__(self) -> None:
        self.at = 100

    def read(self) -> int:
        return self.at

    def advance(self, seconds: int) -> None:
        self.at += seconds

    def capture(self) -> int:
        return self.at

    def restore(self, held: int) -> None:
        self.at = held


class CapturedSessionCache(LocalSessionCache):
    """The session cache with snapshots of its contents."""

    def capture(self) -> Any:
        subjects = {subject: frozenset(sids) for subject, sids in self._by_subject.items()}
        refusals = dict(self._refusals._refusals)
        return dict(self._sessions), subjects, deepcopy(self._revocations), self._freshness.complete_as_of, refusals

    def restore(self, held: Any) -> None:
        sessions, subjects, known, seen_at, refusals = held
        self._clear()
        self._refusals._refusals.clear()
        self._refusals._refusals.update(refusals)
        self._sessions.update(sessions)
        self._by_subject.update({subject: set(sids) for subject, sids in subjects.items()})
        self._revocations = deepcopy(known)
        self._freshness.complete_as_of = seen_at


class HostileCache:
    """A shared cache that answers any copy it was ever given, or none: it loses, delays, and goes back in time."""

    def __init__(self) -> None:
        self.copies: dict[Any, CachedSession] = {}

    def get(self, sid: SessionId, log_id: int) -> AnyOf:
        every = self.copies.values()
        mine = [each for each in every if each.loaded.session.sid == sid and each.position.log_id == log_id]
        return AnyOf((None, *mine))

    def put(self, copy: CachedSession) -> None:
        self.copies[freeze(copy)] = copy

    def capture(self) -> dict[Any, CachedSession]:
        return dict(self.copies)

    def restore(self, held: dict[Any, CachedSession]) -> None:
        self.copies = dict(held)


def make_two_processes(
    session_cache: type[CapturedSessionCache] = CapturedSessionCache, sessions: int = 1, shared: bool = False
) -> Harness:
    """Return a harness with processes ``a`` and ``b``, whose caches are fresh and empty.

    ``shared``: both share a further cache.
    """
    clock = Clock()
    session_caches = {each: session_cache(STALENESS_SECONDS, clock.read) for each in "ab"}
    state = SystemState(**session_caches, clock=clock, **({"cache": HostileCache()} if shared else {}))
    for each in "ab":
        state.session_caches[each].reset(state.store.log.snapshot())
        state.session_caches[each].mark_complete(clock.read())
    harness = Harness(state=state).sign_up()
    return harness.log_in("y") if sessions == 2 else harness


def cache_session(harness: Harness, process: str, session: str = "x") -> Harness:
    """Process ``home`` has seen the session already."""
    found = harness.state.store.sessions.load(harness.sid(session))
    assert found is not None
    harness.state.session_caches[process].put(found)
    return harness


def copy_to_shared_cache(harness: Harness, session: str = "x") -> Harness:
    """Put the session into the shared cache."""
    store = harness.state.store
    found = store.sessions.load(harness.sid(session))
    assert found is not None
    position = LogCursor(store.sessions._memory.log_id, store.log.sequence())
    harness.state.session_caches["cache"].put(CachedSession(found, position, harness.now))
    return harness


def feed(harness: Harness, name: str, process: str, polls: int = 1) -> Actor:
    """Return an actor that follows the log: read, apply, mark complete as of the time *before* the read."""
    position = harness.state.store.log.sequence()

    def poll() -> Flow[None]:
        after = position
        for _ in range(polls):
            asked_at = yield Call("clock", "read")
            page = yield Call("log", "after", (after, 100))
            for entry in page.entries:
                yield Call("session_cache", "apply", (entry,))
            after = page.sequence
            yield Call("session_cache", "mark_complete", (asked_at,))

    return Actor(name, poll, ("feed",), lambda _: ("ok", ()), process, faulty=False)


def clock_actor(name: str, seconds: int) -> Actor:
    def advance() -> Flow[None]:
        yield Call("clock", "advance", (seconds,))

    return Actor(name, advance, ("time",), lambda _: ("ok", ()), faulty=False)


def session_state_at_start(harness: Harness) -> Any:
    """For each verification: what was true in the store, and what its process had been told, when it began."""

    def witness(state: SystemState, actor: Actor) -> Any:
        if actor.op[0] not in ASKING:
            return None
        memory, session_cache = state.store.sessions._memory, state.session_caches[actor.process]
        session = memory.sessions[harness.sid(actor.op[1])]
        behind = session.renewals if actor.op[0] == "verify" else session.generation
        void = dead(session, memory.floors) or actor.op[2] < behind
        after_feed = session_cache.sequence >= memory.sequence
        return void, after_feed

    return witness


def check_caches(explorer: Explorer, node: Node) -> list[str]:
    """Check that only a process that has not read the revocation accepts the credential, within the staleness bound."""
    complaints = []
    for i, actor in enumerate(explorer.actors):
        said = explorer.outcome(node.at[i])[0]
        if actor.op[0] not in ASKING:
            continue
        void, after_feed = node.seen[i] or (False, False)
        own = any(other.process == actor.process for other in _ending_actors(explorer, node, i))
        late = any(
            _ending_actors(explorer, node, j) for j in _completed_indexes(node, i) if explorer.actors[j].op == ("time",)
        )
        if said == "ok" and void and (after_feed or own or late):
            complaints.append(f"{actor.name} accepted what was void: told={after_feed} own={own} late={late}")
        if said not in ("ok", "TokenRevoked", "lost"):
            complaints.append(f"{actor.name} said {said}")
    return complaints + _check_settled(explorer, node)


def _completed_indexes(node: Node, i: int) -> list[int]:
    """Who was done when actor ``i`` began."""
    return [j for j in range(len(node.at)) if node.before[i] >> j & 1]


def _ending_actors(explorer: Explorer, node: Node, i: int) -> list[Actor]:
    """Who had ended the session, and been told so, when actor ``i`` began."""
    enders = [j for j in _completed_indexes(node, i) if explorer.actors[j].op[0] not in (*ASKING, "feed", "time")]
    return [explorer.actors[j] for j in enders if explorer.outcome(node.at[j])[0] in ("ok", "TokenReused")]


def _check_settled(explorer: Explorer, node: Node) -> list[str]:
    """When all is over and a process has been told everything, its cache holds nothing void."""
    state = explorer.state
    state.restore(explorer.worlds.values[node.state])
    memory = state.store.sessions._memory
    complaints = []
    for process in "ab":
        session_cache = state.session_caches[process]
        if session_cache.sequence >= memory.sequence:
            for sid, found in session_cache._sessions.items():
                now = memory.sessions[sid]
                if dead(now, memory.floors) or found.session.renewals < now.renewals:
                    complaints.append(f"process {process} was told, and still holds what is void")
    return complaints
