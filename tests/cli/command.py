"""Run ``keyturn`` with settings in its environment: as an operator does, in a process of its own, or in this one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from keyturn.cli import app


@dataclass(frozen=True)
class CommandResult:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def keyturn(*arguments: str, stdin: str = "", **settings: str) -> CommandResult:
    """Start a process. ``settings``: by name, without ``KEYTURN_``, in lower case."""
    environment = {name: value for name, value in os.environ.items() if name not in _inherited()} | _variables(settings)
    command = [sys.executable, "-c", "from keyturn.cli import app; app()", *arguments]
    ran = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    return CommandResult(ran.returncode, ran.stdout, ran.stderr)


def in_process(*arguments: str, stdin: str = "", **settings: str) -> CommandResult:
    """Run the same command without starting an interpreter, for half a second less of CPU each time."""
    environment = {**dict.fromkeys(_inherited()), **_variables(settings)}
    done = CliRunner().invoke(app, list(arguments), input=stdin, env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return CommandResult(done.exit_code, done.stdout, done.stderr)


def _inherited() -> list[str]:
    return [name for name in os.environ if name.startswith("KEYTURN_")]


def _variables(settings: dict[str, str]) -> dict[str, str]:
    return {f"KEYTURN_{name.upper()}": value for name, value in settings.items()}


SECRET = "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef"
SERVICE_TOKEN = "9216d5d98979fb1bd1310ba698dfb5ac2ffd72dbd01adfb7b8e1afed6a267e96"


def production(folder: Path) -> dict[str, str]:
    """Return settings that pass the production checks."""
    return {
        "environment": "production",
        "data_dir": str(folder),
        "secret": SECRET,
        "service_token": SERVICE_TOKEN,
        "issuer": "https://auth.example.com",
        "audience": "orders",
        "store": f"sqlite:///{folder}/keyturn.db",
        "algorithm": "ES256",
    }
