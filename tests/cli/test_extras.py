"""Errors of an installation without extras or without the lab name the missing package."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

WITHOUT = "import sys; sys.modules[{name!r}] = None; "


def run_without_extra(module: str, program: str) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(name=module) + program
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


def test_an_issuer_names_the_missing_extra() -> None:
    ran = run_without_extra("argon2", "import keyturn; keyturn.Verifier; keyturn.Issuer")
    assert ran.returncode == 1
    assert "ImportError: an issuer needs argon2" in ran.stderr
    assert "pip install '.[passwords,sql]'" in ran.stderr


def test_the_command_names_the_missing_extra_in_one_line() -> None:
    ran = run_without_extra("typer", "import keyturn.cli")
    assert ran.returncode == 1
    assert ran.stderr == "the keyturn command needs typer, which is not installed; in a clone of Keyturn: " + (
        "pip install '.[server,cli]'\n"
    )


@pytest.fixture(scope="module")
def without_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is installed here, but keyturn-lab."""
    packages = tmp_path_factory.mktemp("packages")
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if "keyturn_lab" not in each.name:
            (packages / each.name).symlink_to(each)
    return packages


def run_without_lab(packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    source = Path(__file__).parents[2] / "src"
    command = [sys.executable, "-S", "-c", "from keyturn.cli import app; app()", *arguments]
    paths = {"PYTHONPATH": f"{source}:{packages}"}
    return subprocess.run(command, env=os.environ | paths, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("command", ["capacity", "compare"])
def test_a_lab_command_without_the_lab_says_how_to_install_it(without_lab: Path, command: str) -> None:
    ran = run_without_lab(without_lab, command, "--json")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"keyturn {command} comes with keyturn-lab, which is not installed; in a clone of Keyturn: pip install ./lab\n"
    )


def test_the_help_without_the_lab_lists_no_lab_command(without_lab: Path) -> None:
    ran = run_without_lab(without_lab, "--help")
    assert ran.returncode == 0
    assert "doctor" in ran.stdout
    assert "capacity" not in ran.stdout


def test_an_unknown_command_is_a_usage_error(without_lab: Path) -> None:
    ran = run_without_lab(without_lab, "captivity")
    assert ran.returncode == 2
    assert "No such command 'captivity'" in ran.stderr


def test_a_command_names_the_package_it_lacks_in_one_line(tmp_path: Path) -> None:
    serve = f"from keyturn.cli import app; app(['serve', '--data-dir', {str(tmp_path / 'data')!r}])"
    ran = run_without_extra("uvicorn", serve)
    assert ran.returncode == 1
    assert ran.stderr == "the keyturn command needs uvicorn, which is not installed; in a clone of Keyturn: " + (
        "pip install '.[server,cli]'\n"
    )
