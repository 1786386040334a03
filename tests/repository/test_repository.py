"""Rules of the repository: no test is skipped in CI, and no lock file names a host or path of one machine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LOCKS = sorted(REPOSITORY.glob("requirements/*.lock"))

WAYS_TO_SKIP = {
    "in the test": "import pytest\ndef test_it():\n    pytest.skip('why')\n",
    "by a mark": "import pytest\n@pytest.mark.skip\ndef test_it():\n    pass\n",
    "by expecting failure": "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n",
    "as a module": "import pytest\npytest.skip('why', allow_module_level=True)\n",
}


def run_pytest(folder: Path, ci: str) -> str:
    """Return what pytest says of one file for each way to skip, and of a test that passes."""
    shutil.copy(REPOSITORY / "tests" / "conftest.py", folder)
    for name, text in {**WAYS_TO_SKIP, "not at all": "def test_it():\n    pass\n"}.items():
        (folder / f"test_{name.replace(' ', '_')}.py").write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "PYTEST"))}
    # Both plugins are as costly as all the rest, and no test uses them.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rA",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        "-p",
        "no:anyio",
    ]
    command += ["--continue-on-collection-errors", str(folder)]
    done = subprocess.run(
        command, cwd=folder, env=environment | {"CI": ci}, check=False, timeout=60, capture_output=True, text=True
    )
    return f"{done.stdout}\nexit status: {done.returncode}"


@pytest.fixture(scope="module")
def output_in_ci(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_pytest(tmp_path_factory.mktemp("ci"), ci="true")


@pytest.mark.parametrize("way", WAYS_TO_SKIP)
def test_a_skipped_test_fails_in_ci(way: str, output_in_ci: str) -> None:
    assert re.search(rf"^(FAILED|ERROR) test_{way.replace(' ', '_')}\.py", output_in_ci, re.MULTILINE)
    assert f"exit status: {pytest.ExitCode.TESTS_FAILED:d}" in output_in_ci


def test_a_test_that_is_not_skipped_passes_in_ci(output_in_ci: str) -> None:
    assert "PASSED test_not_at_all.py::test_it" in output_in_ci
    assert "2 failed, 1 passed, 2 errors" in output_in_ci


def test_a_skipped_test_passes_outside_ci(tmp_path: Path) -> None:
    told = run_pytest(tmp_path, ci="")
    assert "1 passed, 3 skipped, 1 xfailed" in told
    assert f"exit status: {pytest.ExitCode.OK:d}" in told


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_file_has_a_hash_per_package_and_names_no_machine(lock: Path) -> None:
    text = lock.read_text()
    requirements = re.findall(r"^[a-z0-9][^=\n]*==.*(?:\n    --hash=.*)*", text, re.MULTILINE)
    assert len(requirements) > 5
    assert [each for each in requirements if "--hash=sha256:" not in each] == []
    assert re.findall(r"://|index-url|find-links|file:| /\w", text) == []


def test_the_lock_of_other_peoples_programs_names_no_registry() -> None:
    text = (REPOSITORY / "tests" / "interop" / "package-lock.json").read_text()
    assert '"integrity"' in text
    assert '"resolved"' not in text


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[><=~; ]", each)[0].lower().replace("_", "-") for each in requirements}


def declared(folder: Path) -> set[str]:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {}).values()
    return names_of([*project["dependencies"], *(each for extra in extras for each in extra)])


def locked(name: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (REPOSITORY / "requirements" / f"{name}.lock").read_text(), re.MULTILINE))


def test_every_dependency_is_locked() -> None:
    wanted = declared(REPOSITORY) | declared(REPOSITORY / "lab")
    assert wanted - locked("dev") == {"keyturn"}


def test_a_server_installs_forty_four_packages_at_most_and_no_build_tools() -> None:
    packages = locked("serve")  # four of them for its pages: jinja2, markupsafe, ua-parser, ua-parser-builtins
    assert 20 < len(packages) <= 44
    assert (packages - {"jinja2"}).isdisjoint(declared(REPOSITORY / "lab") | locked("build"))


def test_no_dependency_of_the_product_names_the_lab_and_the_lab_names_no_keyturn() -> None:
    assert "keyturn-lab" not in declared(REPOSITORY)
    # No package index has it: pip would install another publisher's package of that name.
    assert "keyturn" not in declared(REPOSITORY / "lab")
