"""Find assertions that a slow machine can fail though the code is right: an upper bound on measured time.

Each expression of a function has a kind, or none: a moment (a reading of a clock), elapsed time (a moment less
another), or a rate (something by elapsed time). A bound on one of them that holds on the slowest machine all the same
says so in a comment above it that begins with ``SAFE``.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Kind = Literal["", "moment", "elapsed", "rate"]
Function = ast.FunctionDef | ast.AsyncFunctionDef

SAFE = "# Holds at any speed:"
READ = ("monotonic", "perf_counter", "process_time", "thread_time", "time")
CLOCKS = {
    *(f"time.{name}{unit}" for name in READ for unit in ("", "_ns")),
    "keyturn.clock.uptime",
}
READS_A_CLOCK = re.compile(r"monotonic|perf_counter|process_time|thread_time|\btime\(|uptime")
SAME_KIND = {"abs", "float", "int", "list", "max", "mean", "median", "min", "quantiles", "round", "sorted", "sum"}
COLLECTING = {"append", "add", "extend", "setdefault"}
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.GeneratorExp


def find_timed_assertions(source: str) -> list[int]:
    """Lines of the assertions that bound measured time, outside of tests that are marked long."""
    if not READS_A_CLOCK.search(source):
        return []
    module = _Module(source)
    found = [line for each in module.functions for line in module.timed_lines(each) if not module.is_long(each)]
    return sorted(set(found))


class _Module:
    """One file: its functions, the kinds of what they answer, and who calls whom."""

    def __init__(self, source: str) -> None:
        self._lines = source.splitlines()
        self._tree = ast.parse(source)
        self.functions = [each for each in ast.walk(self._tree) if isinstance(each, Function)]
        self._nodes = {each: list(ast.walk(each)) for each in self.functions}
        self._clocks = CLOCKS | _imported_clocks(self._tree)
        self._answers: dict[str, Kind] = {}
        for _ in range(3):  # a helper of a helper of a helper
            self._answers |= {each.name: self._answer_of(each) for each in self.functions}

    def is_long(self, function: Function, seen: frozenset[str] = frozenset()) -> bool:
        """Whether it is marked long, or is a helper that only such functions call."""
        marks = [*function.decorator_list, *_module_marks(self._tree)]
        if any("mark.long" in ast.unparse(each) for each in marks):
            return True
        if function.name.startswith("test_") or function.name in seen:
            return False
        callers = [each for each in self.functions if each is not function and _calls(each, function.name)]
        return bool(callers) and all(self.is_long(each, seen | {function.name}) for each in callers)

    def timed_lines(self, function: Function) -> Iterator[int]:
        """Lines of its assertions that bound measured time. Loops that wait until something holds are none."""
        scope = _Scope(self._nodes[function], self._clocks, self._answers)
        waiting = {each for loop in self._nodes[function] if isinstance(loop, ast.While) for each in ast.walk(loop)}
        for each in self._nodes[function]:
            if isinstance(each, ast.Assert) and self._is_timed(each, scope, each in waiting):
                yield each.lineno

    def _is_timed(self, asserted: ast.Assert, scope: "_Scope", waiting: bool) -> bool:
        if self._lines[asserted.lineno - 2].strip().startswith(SAFE):
            return False
        return any(_bounds(lower, upper, waiting) for lower, upper in _ordered(asserted.test, scope))

    def _answer_of(self, function: Function) -> Kind:
        scope = _Scope(self._nodes[function], self._clocks, self._answers)
        answers = [each.value for each in self._nodes[function] if isinstance(each, ast.Return) and each.value]
        return _first(scope.kind(each) for each in answers)


def _bounds(lower: Kind, upper: Kind, waiting: bool) -> bool:
    """Whether ``lower < upper`` bounds measured time from above, or a rate from below."""
    return lower == "elapsed" or upper == "rate" or (lower == upper == "moment" and not waiting)


def _ordered(test: ast.expr, scope: "_Scope", negated: bool = False) -> Iterator[tuple[Kind, Kind]]:
    """Yield the kinds of both sides of every order comparison, the lower side first."""
    if isinstance(test, ast.Compare):
        yield from _compared(test, scope, negated)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _ordered(test.operand, scope, not negated)
    else:
        for each in _parts(test):
            yield from _ordered(each, scope, negated)


def _parts(test: ast.expr) -> list[ast.expr]:
    """Of ``a and b``, and of ``all(a for each in several)``."""
    if isinstance(test, ast.BoolOp):
        return test.values
    arguments = test.args if isinstance(test, ast.Call) else []
    return [each.elt if isinstance(each, COMPREHENSIONS) else each for each in arguments]


def _compared(test: ast.Compare, scope: "_Scope", negated: bool) -> Iterator[tuple[Kind, Kind]]:
    sides = [scope.kind(each) for each in (test.left, *test.comparators)]
    for left, operator, right in zip(sides, test.ops, sides[1:], strict=False):
        if isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
            yield (right, left) if isinstance(operator, ast.Gt | ast.GtE) is not negated else (left, right)


class _Scope:
    """The names of one function, and of those within it, by kind."""

    def __init__(self, nodes: list[ast.AST], clocks: set[str], answers: dict[str, Kind]) -> None:
        self._clocks, self._answers = clocks, answers
        self._names: dict[str, Kind] = {}
        for _ in range(3):  # a name may be used above where it is bound
            for each in nodes:
                self._bind(each)

    def kind(self, node: ast.AST) -> Kind:
        """Return the kind of an expression."""
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in self._names:
            return self._names[ast.unparse(node)]
        if isinstance(node, ast.BinOp):
            return self._kind_of_arithmetic(node)
        if isinstance(node, ast.Call):
            return self._kind_of_call(node)
        return _first(map(self.kind, _of_same_kind(node)))

    def _kind_of_arithmetic(self, node: ast.BinOp) -> Kind:
        left, right = self.kind(node.left), self.kind(node.right)
        if isinstance(node.op, ast.Sub) and left == "moment":
            return "moment" if isinstance(node.right, ast.Constant) else "elapsed"
        if isinstance(node.op, ast.Sub) and right == "moment":
            return "" if isinstance(node.right, ast.Call) else "elapsed"  # less now: what is left until then
        if isinstance(node.op, ast.Div) and right == "elapsed" and left != "elapsed":
            return "rate"
        return left or right

    def _kind_of_call(self, node: ast.Call) -> Kind:
        name = ast.unparse(node.func)
        if name in self._clocks:
            return "moment"
        last = name.rpartition(".")[2]
        if last in self._answers:
            return self._answers[last]
        if last in SAME_KIND:
            return _first(map(self.kind, node.args))
        return self.kind(node.func.value) if isinstance(node.func, ast.Attribute) else ""

    def _bind(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._name(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value:
            self._name(node.target, node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            self._name(node.target, node.iter)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in COLLECTING:
            for each in node.args:
                self._name(node.func.value, each)

    def _name(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple):
            values = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
            for each, its in zip(target.elts, values, strict=False):
                self._name(each, its)
        elif isinstance(target, ast.Subscript):
            self._name(target.value, value)
        elif kind := self.kind(value):
            self._names.setdefault(ast.unparse(target), kind)


def _of_same_kind(node: ast.AST) -> list[ast.expr]:
    """Return the expressions within ``node`` that determine its kind."""
    if isinstance(node, COMPREHENSIONS):
        return [node.elt]
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return node.elts
    single = ast.Subscript | ast.Attribute | ast.Starred | ast.NamedExpr | ast.Await | ast.DictComp
    return [node.value] if isinstance(node, single) else []


def _first(kinds: Iterator[Kind]) -> Kind:
    return next((each for each in kinds if each), "")


def _imported_clocks(tree: ast.AST) -> set[str]:
    """Return the names under which clocks are imported: ``from time import monotonic as now``."""
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    return {
        name.asname or name.name for each in imports for name in each.names if f"{each.module}.{name.name}" in CLOCKS
    }


def _module_marks(tree: ast.Module) -> list[ast.expr]:
    assigned = [each for each in tree.body if isinstance(each, ast.Assign)]
    return [each.value for each in assigned if ast.unparse(each.targets[0]) == "pytestmark"]


def _calls(function: Function, name: str) -> bool:
    return any(isinstance(each, ast.Name | ast.Attribute) and _last(each) == name for each in ast.walk(function))


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def scan(folder: Path) -> list[str]:
    """``path:line`` of every timed assertion of a folder of tests."""
    files = sorted(each for each in folder.rglob("*.py") if "node_modules" not in each.parts)
    found = {each.relative_to(folder.parent): find_timed_assertions(each.read_text()) for each in files}
    return [f"{file}:{line}" for file, lines in found.items() for line in lines]
