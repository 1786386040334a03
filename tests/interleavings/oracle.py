"""The oracle: what may never happen to a record, and whether an ending is one the specification could have given."""

from collections.abc import Callable
from typing import Any

from interleavings.explorer import LOST, Explorer, Node
from interleavings.harness import NEW, NEWER, OLD, Harness, credentials, ports_of
from interleavings.model import Run, explained
from interleavings.state import SystemState, freeze
from keyturn.core.revocation import RevocationKind
from keyturn.errors import Refusal
from keyturn.flows.drive import drive
from keyturn.flows.introspect import introspect
from keyturn.flows.login import login
from keyturn.flows.refresh import refresh
from keyturn.flows.verify import verify_session


def dead(session: Any, marks: Any) -> bool:
    """Written from the design's words, not from the code: ended, or older than what its marks allow."""
    subject = marks.get((RevocationKind.SUBJECT, session.subject), 0)
    client = marks.get((RevocationKind.CLIENT, session.client.client_id), 0)
    everything = marks.get((RevocationKind.EVERYTHING, ""), 0)
    return session.ended_at is not None or session.generation < subject or session.created_at < max(client, everything)


def check_monotonic(state: SystemState, before: Any, after: Any) -> list[str]:
    """Nothing resurrected; no counter, mark or version ever decreases; the log only grows."""
    (old, old_marks, old_log, *_), old_sequence, *_ = before
    (new, new_marks, new_log, *_), new_sequence, *_ = after
    complaints = [f"mark {each} fell" for each, value in old_marks.items() if new_marks.get(each, 0) < value]
    if new_sequence < old_sequence or new_log[: len(old_log)] != old_log:
        complaints.append("the log lost an entry")
    for sid, was in old.items():
        complaints += _regressions(was, new.get(sid), old_marks, new_marks)
    return complaints


def _regressions(was: Any, now: Any, old_marks: Any, new_marks: Any) -> list[str]:
    if now is None:
        return ["a session vanished"]
    counters = ("version", "generation", "rotations", "renewals", "created_at", "auth_time")
    complaints = [f"{each} decreased" for each in counters if getattr(now, each) < getattr(was, each)]
    if was.ended_at is not None and (now.ended_at, now.end_reason) != (was.ended_at, was.end_reason):
        complaints.append("an ended session changed its end")
    if dead(was, old_marks) and not dead(now, new_marks):
        complaints.append("a dead session lives again")
    if was != now and now.version <= was.version:
        complaints.append("a record changed without a new version")
    return complaints


class Oracle:
    """Judges the endings of one scene."""

    def __init__(self, harness: Harness, honest: bool) -> None:
        self.harness, self.honest = harness, honest
        self.judged: dict[Any, list[str]] = {}
        self.asked: dict[tuple[int, str, str], bool] = {}

    def __call__(self, explorer: Explorer, node: Node) -> list[str]:
        outcomes = tuple(explorer.outcome(place) for place in node.at)
        key = (node.state, outcomes, node.before)
        if key not in self.judged:
            explorer.state.restore(explorer.worlds.values[node.state])
            self.judged[key] = self._judge(explorer, node, outcomes)
        return self.judged[key]

    def _judge(self, explorer: Explorer, node: Node, outcomes: tuple[Any, ...]) -> list[str]:
        complaints = [str(each) for each in outcomes if each[0].startswith("BROKEN")]
        complaints += self._one_lineage(explorer, outcomes)
        run = self._run(explorer, node, outcomes)
        if self.honest and not all(alive for _, alive, _, _ in run.lives):
            complaints.append("an honest holder was logged out")
        if not explained(self.harness.spec, run):
            complaints.append(f"no order explains {_show(run)}")
        return complaints

    def _one_lineage(self, explorer: Explorer, outcomes: tuple[Any, ...]) -> list[str]:
        successors: dict[Any, set[str]] = {}
        for actor, each in zip(explorer.actors, outcomes, strict=True):
            if actor.op[0] == "refresh" and each[0] == "ok":
                successors.setdefault(actor.op, set()).add(dict(each[1])["refresh"])
        return [f"two successors of {op}" for op, texts in successors.items() if len(texts) > 1]

    def _run(self, explorer: Explorer, node: Node, outcomes: tuple[Any, ...]) -> Run:
        harness, state = self.harness, explorer.state
        held = [(-1, *each) for name in harness.issued for each in credentials(harness.issued[name]).items()]
        names = dict(harness.names)
        answers: list[Any] = []
        for i, (said, tokens) in enumerate((*each, ())[:2] for each in outcomes):
            held += [(i, *each) for each in tokens]
            named = [(kind, *self._named(kind, text, names, explorer.actors[i].name)) for kind, text in tokens]
            answers.append(None if (said,) == LOST else (said, tuple(named)))
        goods = [
            (holder, kind, *self._named(kind, text, names, "?", holder), self._good(node.state, state, kind, text))
            for holder, kind, text in held
        ]
        return Run(
            tuple((each.name, each.op) for each in explorer.actors),
            tuple(answers),
            node.before,
            tuple(goods),
            self._lives(state),
            frozenset(each for each in (OLD, NEW, NEWER) if self._logs_in(state, each)),
        )

    def _named(
        self, kind: str, text: str, names: dict[str, str], actor: str, holder: int = 0
    ) -> tuple[str, int | None]:
        if kind == "access":
            sid = next(each for each in names if each in text)
            return names[sid], 0 if holder < 0 else None
        sid, counter, _ = text.removeprefix(f"kt_{kind}_").split(".")
        return names.setdefault(sid, actor), int(counter)

    def _lives(self, state: SystemState) -> tuple[tuple[str, bool, int, int], ...]:
        memory = state.store.sessions._memory
        found = ((name, memory.sessions[sid]) for sid, name in self.harness.names.items())
        return tuple((n, not dead(each, memory.floors), each.rotations, each.renewals) for n, each in found)

    def _good(self, number: int, state: SystemState, kind: str, text: str) -> bool:
        key = (number, kind, text)
        if key not in self.asked:
            self.asked[key] = self._try(state, self._use(kind, text))
        return self.asked[key]

    def _use(self, kind: str, text: str) -> Callable[[], Any]:
        harness = self.harness
        return {
            "session": lambda: verify_session(text, harness.now, harness.realm),
            "refresh": lambda: refresh(text, "tokens", harness.now, harness.realm),
            "access": lambda: introspect(text, harness.now, harness.realm),
        }[kind]

    def _logs_in(self, state: SystemState, password: str) -> bool:
        return self._try(state, lambda: login(self.harness.attempt(password), self.harness.now, self.harness.realm))

    def _try(self, state: SystemState, start: Callable[[], Any]) -> bool:
        held = state.capture()
        try:
            answer = drive(start(), ports_of(state, "", "probe"))
        except Refusal:
            return False
        else:
            return answer != {"active": False}
        finally:
            state.restore(held)


def _show(run: Run) -> str:
    return str(freeze(run))
