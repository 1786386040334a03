"""Programs for Node.js that our tests run, each started once for many questions."""

import json
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOM = Path(__file__).parents[1] / "interop"

Ask = Callable[[dict[str, Any]], Any]


@contextmanager
def node(program: str) -> Generator[Ask]:
    """Run ``program``, which answers each JSON value on a line with one."""
    if shutil.which("node") is None or not (ROOM / "node_modules" / "jose").exists():
        pytest.skip("run scripts/node first")
    pipe = subprocess.PIPE
    with subprocess.Popen(["node", str(ROOM / program)], stdin=pipe, stdout=pipe, text=True) as process:
        questions, answers = process.stdin, process.stdout
        assert questions is not None
        assert answers is not None

        def ask(question: dict[str, Any]) -> Any:
            questions.write(json.dumps(question) + "\n")
            questions.flush()
            return json.loads(answers.readline())

        yield ask
