"""Environments that hold the wheel of Keyturn and what it depends on, and nothing of the tests."""

import functools
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def build_wheel() -> Path:
    """Build the wheel, once in a process."""
    folder = tempfile.mkdtemp(prefix="keyturn-wheel-")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, check=True, timeout=300, cwd=ROOT, capture_output=True)
    return next(Path(folder).glob("*.whl"))


def create_environment(folder: Path, extra: str = "") -> Path:
    """Return an interpreter with only ``keyturn``, or ``keyturn[extra]``, installed.

    It has no pip, which would take longest to install.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    wheel = build_wheel()
    requirement = f"keyturn[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    subprocess.run([*_pip(python), "install", "-q", requirement], check=True, timeout=300)
    return python


def list_packages(python: Path) -> set[str]:
    """Return the names of the installed packages."""
    told = subprocess.run([*_pip(python), "list", "--format=json"], check=True, capture_output=True, timeout=60)
    return {each["name"].lower().replace("_", "-") for each in json.loads(told.stdout)}


def size_of(python: Path) -> int:
    """Return the bytes of the installed packages, without the bytecode of the modules that were imported."""
    packages = next(python.parents[1].glob("lib/python*/site-packages"))
    return sum(path.stat().st_size for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc")


def clean_environment() -> dict[str, str]:
    """Return the environment without the settings of Python and of Keyturn."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KEYTURN"))}


def _pip(python: Path) -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
