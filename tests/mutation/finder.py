"""Find the mutants of a source file. Texts, types, declarations and log calls are not mutated."""

import ast
from pathlib import Path

from mutation.operators import changes
from mutation.source import PACKAGES, SRC, Mutant, Text, number_occurrences

_LOGGERS = {"log", "logger", "_log", "_logger", "LOG", "LOGGER"}
_DECLARED = {"__all__", "__slots__"}
_TYPES = {"Annotated", "Literal", "Callable", "TypeVar", "NewType", "ParamSpec"}
_MARKS_OF_TYPES = {"cast", "TypeVar", "NewType", "ParamSpec", "assert_never"}


def find_mutants(path: str, source: bytes) -> list[Mutant]:
    """Return every mutant of ``source``, in the order of the file."""
    finder = _Finder(Text(path, source))
    finder.visit(ast.parse(source))
    return number_occurrences(sorted(finder.mutants, key=lambda each: (each.start, each.new)))


def mutants_of(package: str, src: Path = SRC) -> list[Mutant]:
    """Return every mutant of a package of Keyturn, such as ``core``."""
    found = []
    for each in sorted((src / "keyturn" / package).rglob("*.py")):
        found += find_mutants(str(each.relative_to(src)), each.read_bytes())
    return found


def all_mutants(packages: tuple[str, ...] = PACKAGES) -> dict[str, list[Mutant]]:
    return {each: mutants_of(each) for each in packages}


class _Finder(ast.NodeVisitor):
    """Visits what runs. Annotations, docstrings, texts, decorators and declarations are passed over."""

    def __init__(self, text: Text) -> None:
        self.mutants: list[Mutant] = []
        self._text = text
        self._within: list[str] = []
        self._statuses = "/web/" in text.path

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr | ast.stmt):
            for operator, new in changes(node, self._statuses):
                self.mutants.append(self._text.mutant(node, ".".join(self._within), new, operator))
        super().visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        defaults = [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
        self._visit_all(defaults)
        self._visit_body(node.name, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast's own name

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if not any(_name(each) == "Protocol" for each in node.bases):
            self._visit_body(node.name, node.body)

    def visit_Assign(self, node: ast.Assign) -> None:
        if not any(isinstance(each, ast.Name) and each.id in _DECLARED for each in node.targets):
            self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if _name(node.test) == "TYPE_CHECKING":
            self._visit_all(node.orelse)
        else:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not _is_log_call(node) and _name(node.func) not in _MARKS_OF_TYPES:
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if _name(node.value) not in _TYPES:
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Pass over texts; Python 3.11 does not know the positions inside them either."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Skip assertions: they are for the type checker."""

    def _visit_all(self, nodes: list[ast.expr] | list[ast.stmt]) -> None:
        for each in nodes:
            self.visit(each)

    def _visit_body(self, name: str, body: list[ast.stmt]) -> None:
        self._within.append(name)
        self._visit_all(body)
        self._within.pop()


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_log_call(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and _name(node.func.value) in _LOGGERS
