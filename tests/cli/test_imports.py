"""The command line imports what a command needs when it runs, not before."""

import subprocess
import sys

import pytest

HEAVY = ("alembic", "cryptography", "matplotlib", "redis", "sqlalchemy", "ssl", "uvicorn")
PROGRAM = """
import sys
from keyturn.cli import app
try:
    app({arguments!r})
except SystemExit as done:
    assert done.code == 0
print(*sys.modules, sep="\\n", file=sys.stderr)
"""


def modules_after(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", PROGRAM.format(arguments=list(arguments))]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(ran.stderr.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["serve", "--help"], ["keys", "--help"], ["capacity", "--help"], ["compare", "--help"]],
    ids=" ".join,
)
def test_help_and_version_import_no_heavy_module(arguments: list[str]) -> None:
    imported = modules_after(*arguments)
    assert "keyturn.cli.main" in imported
    assert imported.isdisjoint(HEAVY)
    packages = {".".join(each.split(".")[:2]) for each in imported if each.startswith("keyturn.")}
    assert packages == {"keyturn.cli", "keyturn.core", "keyturn.errors"}


def test_only_a_lab_command_or_the_whole_help_imports_the_lab() -> None:
    assert "keyturn_lab" in modules_after("--help")
    assert "keyturn_lab" not in modules_after("keys", "--help")


def test_the_package_imports_the_verifier_on_first_use() -> None:
    program = "import sys, keyturn; assert 'ssl' not in sys.modules; keyturn.Verifier; assert 'ssl' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
