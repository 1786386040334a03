"""Order the test files of a package, so that those which most likely catch a mutant run first."""

import re
from pathlib import Path

from mutation.source import Mutant

TESTS = Path(__file__).parents[1]
# Fixtures and modules that start a server; a file that names one takes seconds instead of a fraction of one.
_SERVERS = re.compile(r"\bservices\b|\bfresh\b|postgres|redis|\bserver_process\b", re.I)


def order_files(mutant: Mutant, tests: Path = TESTS) -> list[Path]:
    """Return every test file of the mutant's package.

    First the file named after the module, then those that import it and the contract of its stores, then those
    about its neighbours. Within each of these: files without a server first, then contracts, which are quick.
    """
    files = sorted((tests / mutant.package).glob("test_*.py"))
    return sorted(files, key=lambda each: (_distance(mutant, each), _starts_server(each), not _is_contract(each)))


def _distance(mutant: Mutant, file: Path) -> int:
    module = mutant.path.removesuffix(".py").replace("/", ".")
    stem = module.rpartition(".")[2].strip("_")
    text = file.read_text()
    parent = module.split(".")[-2]
    if file.stem.startswith(f"test_{parent}_{stem}"):
        return -1
    if re.fullmatch(rf"test_{re.escape(stem)}(_.*)?", file.stem):
        return 0
    if re.search(rf"\b{re.escape(module)}\b", text):
        return 1
    about = parent in f"{file.stem} {' '.join(re.findall(r'from (keyturn[^ ]*)', text))}"
    if about and _is_contract(file):
        return 1
    return 2 if about else 3


def _is_contract(file: Path) -> bool:
    return "(StoreContract)" in file.read_text()


def _starts_server(file: Path) -> bool:
    return _SERVERS.search(file.read_text()) is not None
