"""Real stores, each broken in one deliberate way that only a race, or a second look, can tell."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from interleavings.lockstep import PORTS


class _Port:
    """``port``, one verb of which is done otherwise."""

    def __init__(self, port: Any, verb: str, otherwise: Callable[..., Any]) -> None:
        self._port = port
        setattr(self, verb, otherwise)

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._port, verb)


def swap_unconditionally(real: Any) -> Callable[..., Any]:
    def swap(session: Any, entry: Any = None) -> Any:
        found = real.sessions.load(session.sid)
        return real.sessions.replace(replace(session, version=found.session.version + 1), entry)

    return swap


def report_win_as_loss(real: Any) -> Callable[..., Any]:
    def swap(session: Any, entry: Any = None) -> Any:
        won = real.sessions.replace(session, entry)
        return None if entry is None else won

    return swap


def report_loss_as_win(real: Any) -> Callable[..., Any]:
    def swap(session: Any, entry: Any = None) -> Any:
        won = real.sessions.replace(session, entry)
        return 0 if entry is None else won

    return swap


def drop_log_entries(real: Any) -> Callable[..., Any]:
    def swap(session: Any, entry: Any = None) -> Any:
        won = real.sessions.replace(session)
        return won if won is None or entry is None else real.log.sequence() + 1

    return swap


def read_after_floor(real: Any) -> Callable[..., Any]:
    before: dict[Any, Any] = {}

    def load(sid: Any) -> Any:
        found = real.sessions.load(sid)
        late, before[sid] = before.get(sid, found), found
        return late

    return load


def list_without_newest(real: Any) -> Callable[..., Any]:
    return lambda subject: real.sessions.list(subject)[1:]


def end_current_session(real: Any) -> Callable[..., Any]:
    return lambda account, voiding, kept=None: real.accounts.replace_and_revoke(account, voiding)


def keep_void_sessions(real: Any) -> Callable[..., Any]:
    def change(account: Any, voiding: Any, kept: Any = None) -> Any:
        marks = real.sessions.revocation_floor(account.subject, "default")
        return real.accounts.replace_and_revoke(account, voiding, kept and replace(kept, generation=marks.generation))

    return change


def count_unconditionally(real: Any) -> Callable[..., Any]:
    def swap(bucket: Any) -> Any:
        found = real.throttles.load(bucket.key)
        return real.throttles.replace(replace(bucket, version=found.version + 1 if found else 1))

    return swap


@dataclass(frozen=True)
class Mutant:
    """How one verb is done wrongly, in which scene that is seen, and which question gives it away."""

    port: str
    verb: str
    make_faulty: Callable[[Any], Callable[..., Any]]
    scenario: str
    detected_by: str

    def of(self, real: Any) -> Any:
        """``real``, broken in this way."""
        ports = {name: getattr(real, name) for name in PORTS}
        ports[self.port] = _Port(ports[self.port], self.verb, self.make_faulty(real))
        return SimpleNamespace(**ports)


MUTANTS = [
    Mutant("sessions", "replace", swap_unconditionally, "refresh / revoke", "sessions.replace"),
    Mutant("sessions", "replace", report_win_as_loss, "refresh / revoke", "sessions.replace"),
    Mutant("sessions", "replace", report_loss_as_win, "refresh / refresh", "sessions.replace"),
    Mutant("sessions", "replace", drop_log_entries, "revoke / revoke", "log."),
    Mutant("sessions", "load", read_after_floor, "refresh / verify", "sessions.load"),
    Mutant("sessions", "list", list_without_newest, "refresh / verify", "sessions.list"),
    Mutant("accounts", "replace_and_revoke", end_current_session, "change / verify", "sessions.load"),
    Mutant(
        "accounts", "replace_and_revoke", keep_void_sessions, "change / revoke subject", "accounts.replace_and_revoke"
    ),
    Mutant("throttles", "replace", count_unconditionally, "login / wrong login", "throttles.replace"),
]
