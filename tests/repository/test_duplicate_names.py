"""A public name at the top of a module stands in one module only: a search for it finds one meaning."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

INTEGRATION = {("Keyturn", False)}
SOURCE = Path(__file__).parents[2] / "src" / "keyturn"


def public_names(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield each public name that a class, function or assignment defines, and whether it is a Protocol."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [(node.name, False)]
        elif isinstance(node, ast.ClassDef):
            names = [(node.name, any(ast.unparse(base).split("[")[0] == "Protocol" for base in node.bases))]
        elif isinstance(node, ast.Assign):
            names = [(target.id, False) for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [(node.target.id, False)]
        else:
            names = []
        yield from (each for each in names if not each[0].startswith("_"))


def duplicates(folder: Path) -> dict[str, list[str]]:
    """Return the names defined in several modules.

    Excepted: a Protocol in one package and the class of this name that implements it, because callers know both as
    one; the modules of alembic's migrations, whose names alembic dictates; and ``Keyturn``, which is one name in every
    framework on purpose: an application imports it from its own integration only.
    """
    modules: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        if "versions" not in path.parts:
            for name, is_protocol in set(public_names(ast.parse(path.read_text()))) - INTEGRATION:
                modules[name].append((path.relative_to(folder).as_posix(), is_protocol))
    return {
        name: [path for path, _ in found]
        for name, found in modules.items()
        if len(found) > 1 and sum(not is_protocol for _, is_protocol in found) != 1
    }


def test_each_public_name_is_defined_in_one_module() -> None:
    assert duplicates(SOURCE) == {}


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("LIMIT = 1", "LIMIT: int = 2", ["LIMIT"]),
        ("class Store: ...", "def Store(): ...", ["Store"]),
        ("class Store(Protocol): ...", "class Store(Protocol[T]): ...", ["Store"]),
        ("class Store(Protocol): ...", "class Store: ...", []),
        ("_LIMIT = 1", "_LIMIT = 2", []),
        ("from a import LIMIT", "LIMIT = 2", []),
    ],
)
def test_a_planted_duplicate_is_found(tmp_path: Path, one: str, other: str, found: list[str]) -> None:
    (tmp_path / "one.py").write_text(one)
    (tmp_path / "other.py").write_text(other)
    assert list(duplicates(tmp_path)) == found
