"""An application that has the wheel with the extra of its framework, in an environment of its own, and nothing else."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from external_clients import framework_service
from external_clients.wheel_environment import clean_environment, create_environment, list_packages, size_of

STAND_IN = "tests/external_clients/test_framework_installs.py::test_an_extra_is_all_that_a_framework_needs[flask]"
OF_OTHERS = {"fastapi": {"starlette", "fastapi"}}
"""Frameworks that are built on another one."""


@pytest.mark.parametrize(
    "framework",
    [
        pytest.param(each, marks=() if each == "flask" else pytest.mark.long(stands_in=STAND_IN))
        for each in framework_service.FRAMEWORKS
    ],
)
def test_an_extra_is_all_that_a_framework_needs(
    framework: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    python = create_environment(tmp_path / "venv", framework)
    command = [str(python), "-W", "error", framework_service.__file__, framework]
    told = subprocess.run(command, env=clean_environment(), cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    assert "Exception ignored" not in told.stderr
    assert json.loads(told.stdout.splitlines()[-1]) == {
        "statuses": [401, 201, 200, 200, 200, 401],
        "imported": sorted(OF_OTHERS.get(framework, {framework})),
    }
    packages = list_packages(python)
    assert {"keyturn", framework} <= packages
    assert not packages & (set(framework_service.FRAMEWORKS) - OF_OTHERS.get(framework, {framework}))
    record_property("figure", f"keyturn[{framework}]: {len(packages)} packages, {size_of(python) / 1e6:.0f} MB")
