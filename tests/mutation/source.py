"""Python source as bytes: spans of syntax nodes, and the text with one span replaced."""

import ast
from dataclasses import dataclass, replace
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"
PACKAGES = ("core", "flows", "tokens", "verifier", "web", "stores")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small fault: ``old`` at ``start`` of the file ``path`` (relative to ``src``) becomes ``new``.

    ``within``: the qualified name of the function or class around it. ``line``: its source line, stripped.
    ``column``: counted from 1, as editors do.
    """

    path: str
    within: str
    lineno: int
    column: int
    line: str
    start: int
    old: str
    new: str
    operator: str
    occurrence: int = 0

    @property
    def package(self) -> str:
        return self.path.split("/")[1]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.lineno}:{self.column}"

    @property
    def change(self) -> str:
        return f"{_one_line(self.old)} -> {_one_line(self.new)}"

    @property
    def identity(self) -> tuple[str, ...]:
        """Name the mutant without line numbers, so that an edit elsewhere in the file does not rename it."""
        return (self.path, self.within, self.line, self.change, str(self.occurrence))

    def apply(self, source: bytes) -> bytes:
        """Replace the span in ``source``. Raises ValueError where the source is not the one it was found in."""
        old = self.old.encode()
        end = self.start + len(old)
        if source[self.start : end] != old:
            raise ValueError(f"{self.place}: the source has changed")
        return source[: self.start] + self.new.encode() + source[end:]


class Text:
    """The source of one file, addressed by the positions that ``ast`` gives."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path = path
        self.source = source
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for each in self._lines:
            self._starts.append(self._starts[-1] + len(each))

    def mutant(self, node: ast.expr | ast.stmt, within: str, new: str, operator: str) -> Mutant:
        """Describe the replacement of ``node`` by the code ``new``."""
        start, end = self._span(node)
        line = self._lines[node.lineno - 1].decode().strip()
        old = self.source[start:end].decode()
        return Mutant(self.path, within, node.lineno, node.col_offset + 1, line, start, old, new, operator)

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset


def number_occurrences(mutants: list[Mutant]) -> list[Mutant]:
    """Count the mutants that are alike in everything but their position, so that each has its own identity."""
    counts: dict[tuple[str, ...], int] = {}
    numbered = []
    for each in mutants:
        count = counts[each.identity] = counts.get(each.identity, -1) + 1
        numbered.append(replace(each, occurrence=count))
    return numbered


def _one_line(code: str) -> str:
    return " ".join(code.split())
