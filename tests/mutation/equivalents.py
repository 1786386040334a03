"""Read the list of equivalent mutants: changed code that no behaviour can tell from the original."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mutation.source import Mutant

FILE = Path(__file__).with_name("equivalents.toml")
SHORTEST_REASON = 20


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One entry of the list. ``identity`` is that of the mutant."""

    identity: tuple[str, ...]
    reason: str


def read_equivalents(file: Path = FILE) -> list[Equivalent]:
    """Return the entries. Raises ValueError for an entry without a member or without a reason."""
    return [_entry(each) for each in tomllib.loads(file.read_text()).get("equivalent", [])]


def stale(equivalents: Sequence[Equivalent], mutants: Sequence[Mutant]) -> list[Equivalent]:
    """Return the entries that name no mutant of today's sources."""
    present = {each.identity for each in mutants}
    return [each for each in equivalents if each.identity not in present]


def _entry(fields: dict[str, object]) -> Equivalent:
    if missing := {"file", "within", "line", "change", "reason"} - fields.keys():
        raise ValueError(f"an equivalent mutant lacks {', '.join(sorted(missing))}: {fields}")
    reason = str(fields["reason"]).strip()
    if len(reason) < SHORTEST_REASON:
        raise ValueError(f"an equivalent mutant needs a reason of {SHORTEST_REASON} characters or more: {fields}")
    names = (fields["file"], fields["within"], fields["line"], fields["change"], fields.get("occurrence", 0))
    return Equivalent(tuple(map(str, names)), reason)
