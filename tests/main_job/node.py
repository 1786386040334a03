"""Programs for Node.js that our tests run."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOM = Path(__file__).parents[1] / "interop"


def node(program: str, *arguments: str, given: str) -> Any:
    """What ``program`` prints, read as JSON. ``given``: its standard input."""
    if shutil.which("node") is None or not (ROOM / "node_modules" / "jose").exists():
        pytest.skip("run scripts/node first")
    command = ["node", str(ROOM / program), *arguments]
    said = subprocess.run(command, input=given, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(said.stdout)
