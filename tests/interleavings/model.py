"""The specification, sequential and small, sharing no code with Keyturn: what each use case does when it runs alone.

A concurrent run is right when its answers are those of *some* order of its flows, run one after the other, that
agrees with real time (who ended before whom began), and when the credentials left behind are good exactly where
that order says so. A flow that was lost (crashed, cancelled, store away) may have happened wholly, not at all, or
as far as ``_partly`` says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

Good = tuple[tuple[str, str, int], ...]
"""Credentials as (kind, session, number). The number of an access token is the era it was signed in."""


@dataclass(frozen=True)
class Life:
    """A session as the specification sees it. ``slack``: the previous refresh token is in its grace window.

    ``unseen``: nothing issued with the newest refresh token was presented. ``late``: answers after the grace window.
    """

    alive: bool = True
    rotations: int = 0
    renewals: int = 0
    era: int = 0
    slack: bool = True
    unseen: bool = False
    late: int = 0

    @property
    def answers_previous(self) -> bool:
        return self.slack or (self.unseen and self.late < 2)


@dataclass(frozen=True)
class Spec:
    """The state of the specification.

    ``split``: accounts and sessions have no common commit. A lost password change, or a lost disabling, may then have
    ended the sessions alone (decision 0016).
    ``own``: the account is the application's. A password change may then end its own session, too, and say so, if the
    old password is used at the same time. The counters of an ended session say nothing.
    ``lost``: a response is assumed lost until its successor is seen. ``faulty``: the store may fail where a use is
    recorded, which is then accepted and not recorded.
    """

    password: str
    lives: tuple[tuple[str, Life], ...]
    disabled: bool = False
    exists: bool = True
    split: bool = False
    own: bool = False
    lost: bool = False
    faulty: bool = False

    def life(self, name: str) -> Life:
        return dict(self.lives).get(name, Life(alive=False))

    def put(self, name: str, life: Life) -> "Spec":
        return replace(self, lives=tuple(sorted({**dict(self.lives), name: life}.items())))

    def end_all(self, but: str | None = None) -> "Spec":
        return replace(
            self, lives=tuple((n, each if n == but else replace(each, alive=False)) for n, each in self.lives)
        )

    def good(self, kind: str, name: str, number: int) -> bool:
        life = self.life(name)
        fitting = {
            "session": number == life.renewals,
            "refresh": number == life.rotations or (number == life.rotations - 1 and life.answers_previous),
            "access": number == life.era,
        }
        return life.alive and fitting[kind]


Did = tuple[Spec, str, Good]
"""What follows, the answer, and the credentials handed out with it."""


def perform(spec: Spec, op: tuple[Any, ...], actor: str) -> Did:
    """Run one use case alone."""
    verb, *arguments = op
    return globals()["_" + verb](spec, actor, *arguments)  # type: ignore[no-any-return]


def _issued(spec: Spec, name: str, kinds: str) -> Did:
    life = spec.life(name)
    numbers = {"session": life.renewals, "refresh": life.rotations, "access": life.era}
    return spec, "ok", tuple((kind, name, numbers[kind]) for kind in kinds.split())


def _refresh(spec: Spec, actor: str, name: str, counter: int) -> Did:
    life = spec.life(name)
    if not life.alive:
        return spec, "TokenRevoked", ()
    if counter > life.rotations:
        return spec, "CounterAhead", ()
    if not spec.good("refresh", name, counter):
        return spec.put(name, replace(life, alive=False)), "TokenReused", ()
    if counter == life.rotations:
        after = replace(life, rotations=counter + 1, slack=True, unseen=spec.lost, late=0)
    else:
        after = life if life.slack else replace(life, late=life.late + 1)
    return _issued(spec.put(name, after), name, "refresh access")


def _verify(spec: Spec, actor: str, name: str, counter: int) -> Did:
    life = spec.life(name)
    if not life.alive or counter < life.renewals:
        return spec, "TokenRevoked", ()
    if counter > life.renewals:
        return spec, "CounterAhead", ()
    return spec.put(name, replace(life, unseen=False)), "ok", ()


def _access(spec: Spec, actor: str, name: str, rotation: int) -> Did:
    life = spec.life(name)
    if not life.alive:
        return spec, "TokenRevoked", ()
    return spec.put(name, replace(life, unseen=life.unseen and rotation != life.rotations)), "ok", ()


def _revoke(spec: Spec, actor: str, name: str) -> Did:
    return spec.put(name, replace(spec.life(name), alive=False)), "ok", ()


def _revoke_all(spec: Spec, actor: str) -> Did:
    return spec.end_all(), "ok", ()


def _disable(spec: Spec, actor: str) -> Did:
    if not spec.exists:
        return spec, "NotFound", ()
    return replace(spec.end_all(), disabled=True), "ok", ()


def _login(spec: Spec, actor: str, password: str) -> Did:
    if not spec.exists or spec.disabled or password != spec.password:
        return spec, "LoginFailed", ()
    return _issued(spec.put(actor, Life()), actor, "session refresh access")


def _signup(spec: Spec, actor: str, password: str) -> Did:
    if spec.exists:
        return spec, "AccountExists", ()
    return _issued(replace(spec, exists=True, password=password).put(actor, Life()), actor, "session refresh access")


def _step_up(spec: Spec, actor: str, name: str, password: str) -> Did:
    life = spec.life(name)
    if not life.alive:
        return spec, "TokenRevoked", ()
    if spec.disabled or password != spec.password:
        return spec, "LoginFailed", ()
    stepped = replace(life, renewals=life.renewals + 1, unseen=False)
    return _issued(spec.put(name, stepped), name, "session refresh access")


def _change(spec: Spec, actor: str, name: str, password: str, new: str) -> Did:
    stepped, answer, _ = _step_up(spec, actor, name, password)
    if answer != "ok":
        return spec, answer, ()
    changed = replace(stepped.end_all(but=name), password=new)
    life = changed.life(name)
    return _issued(changed.put(name, replace(life, era=life.era + 1)), name, "session refresh access")


def _write(spec: Spec, actor: str, password: str) -> Did:
    """Store another password, by the application itself."""
    return replace(spec.end_all(), password=password), "ok", ()


def _deactivate(spec: Spec, actor: str) -> Did:
    return replace(spec.end_all(), disabled=True), "ok", ()


def _upgrade(spec: Spec, actor: str) -> Did:
    return spec, "ok", ()


def _partly(spec: Spec, op: tuple[Any, ...], actor: str) -> Iterator[Spec]:
    yield spec
    whole, answer, _ = perform(spec, op, actor)
    if answer == "ok" and op[0] == "signup":  # the account stands, its session was not opened yet
        yield replace(whole, lives=spec.lives)
    if answer == "ok" and spec.split and op[0] in ("change", "disable"):
        yield replace(whole, password=spec.password, disabled=spec.disabled)
    if answer == "ok" and spec.own and op[0] == "change":
        yield whole.end_all()
    yield whole


def _also(spec: Spec, op: tuple[Any, ...]) -> Iterator[str]:
    # Two reasons to refuse, and only one can be named: a dead session, and a password that is no longer right.
    if op[0] in ("step_up", "change") and (spec.disabled or op[2] != spec.password):
        yield "LoginFailed"


@dataclass(frozen=True)
class Run:
    """A concurrent run to be explained. ``answers``: per actor ``(answer, credentials)`` or ``None`` if lost.

    ``goods``: every credential anyone holds, and whether it is good in the end. ``lives``: per first session alive,
    rotations, renewals. ``passwords``: those that log in at the end.
    """

    ops: tuple[tuple[str, tuple[Any, ...]], ...]
    answers: tuple[tuple[str, tuple[tuple[str, str, int | None], ...]] | None, ...]
    before: tuple[int, ...]
    goods: tuple[tuple[int, str, str, int | None, bool], ...]
    lives: tuple[tuple[str, bool, int, int], ...]
    passwords: frozenset[str]


def explained(spec: Spec, run: Run) -> bool:
    """Whether some order of the flows, alone, one after another, gives exactly this."""
    size = len(run.ops)
    for order in permutations(range(size)):
        place = {i: at for at, i in enumerate(order)}
        timely = all(place[j] < place[i] for i in range(size) for j in range(size) if run.before[i] >> j & 1)
        if timely and any(_fits(run, *ending) for ending in _endings(spec, run, order)):
            return True
    return False


def _endings(spec: Spec, run: Run, order: tuple[int, ...]) -> Iterator[tuple[Spec, dict[int, Good]]]:
    states: list[tuple[Spec, dict[int, Good]]] = [(spec, {})]
    for i in order:
        actor, op = run.ops[i]
        states = [reached for state in states for reached in _advance(state, run.answers[i], i, op, actor)]
    yield from states


def _advance(
    state: tuple[Spec, dict[int, Good]], answer: Any, i: int, op: tuple[Any, ...], actor: str
) -> Iterator[tuple[Spec, dict[int, Good]]]:
    spec, held = state
    for each in _attempts(spec, op, actor):
        yield from _advance_from((each, held), answer, i, op, actor)


def _attempts(spec: Spec, op: tuple[Any, ...], actor: str) -> Iterator[Spec]:
    """Yield the states from which a flow may answer: an attempt of its own may have come before."""
    yield spec
    if spec.own and op[0] == "change" and perform(spec, op, actor)[1] == "ok":
        # An upgraded hash has met the first attempt, which has ended the sessions and renewed its own.
        life = spec.life(op[1])
        yield spec.end_all(but=op[1]).put(op[1], replace(life, renewals=life.renewals + 1))


def _advance_from(
    state: tuple[Spec, dict[int, Good]], answer: Any, i: int, op: tuple[Any, ...], actor: str
) -> Iterator[tuple[Spec, dict[int, Good]]]:
    spec, held = state
    if answer is None:
        yield from ((each, held) for each in set(_partly(spec, op, actor)))
        return
    after, said, handed = perform(spec, op, actor)
    if spec.own and op[0] == "change" and said == "ok" and answer == ("TokenRevoked", ()):
        yield after.end_all(), held
        return
    if not handed and answer in ((each, ()) for each in _also(spec, op)):
        yield after, held
        return
    seen = tuple((kind, name, None if kind == "access" else number) for kind, name, number in handed)
    if (said, seen) == answer:
        yield after, {**held, i: handed}
        if spec.faulty and said == "ok" and op[0] in ("verify", "access"):
            yield spec, held


def _fits(run: Run, spec: Spec, held: dict[int, Good]) -> bool:
    for name, alive, rotations, renewals in run.lives:
        life = spec.life(name)
        if spec.own and not (life.alive or alive):
            continue
        if (life.alive, life.rotations, life.renewals) != (alive, rotations, renewals):
            return False
    usable = frozenset() if spec.disabled or not spec.exists else frozenset({spec.password})
    return run.passwords == usable and all(
        spec.good(kind, name, _number(held, holder, kind, number)) == good
        for holder, kind, name, number, good in run.goods
    )


def _number(held: dict[int, Good], holder: int, kind: str, number: int | None) -> int:
    if number is not None:
        return number
    return next(era for each, _, era in held[holder] if each == kind)
