"""``manage.py keyturn ...``: the command line of Keyturn with the settings of the project."""

import os
import subprocess
import sys
from argparse import REMAINDER, ArgumentParser
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keyturn.integrations.django.operator_settings import operator_settings, project_accounts

_PROGRAM = "from keyturn.cli import app; app(prog_name='manage.py keyturn')"
_OF_ACCOUNTS = ("users", "sessions", "revoke")
_SERVED_HERE = "the project serves its own endpoints and accounts; `keyturn serve` would use another table of accounts"


class Command(BaseCommand):
    """Pass the arguments to ``keyturn``, with ``settings.KEYTURN`` as variables of its environment."""

    help = "Run the command line of Keyturn, such as: manage.py keyturn users disable ada"
    requires_system_checks: Any = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take everything as it is."""
        parser.add_argument("arguments", nargs=REMAINDER)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the command. Exit with its status."""
        arguments: list[str] = options["arguments"]
        accounts, group = project_accounts(), arguments[0] if arguments else ""
        if accounts is not None and group == "serve":
            raise CommandError(_SERVED_HERE)
        variables = {f"KEYTURN_{name.upper()}": value for name, value in operator_settings().items()}
        if accounts is not None and group in _OF_ACCOUNTS:
            status = _run_in_process(arguments, accounts, variables)
        else:
            command = [sys.executable, "-c", _PROGRAM, *arguments]
            status = subprocess.run(command, env=os.environ | variables, check=False).returncode  # noqa: S603 - our own program
        if status:
            raise SystemExit(status)


def _run_in_process(arguments: list[str], accounts: object, variables: dict[str, str]) -> int | str:
    """Run a command in this process, where the accounts of the project are. Return its status."""
    from keyturn.cli import app  # needs the extra ``cli``
    from keyturn.cli.accounts import AccountSelection

    with _environment(variables):
        try:
            app(args=arguments, prog_name="manage.py keyturn", obj=AccountSelection(accounts))
        except SystemExit as done:
            return done.code or 0
    return 0


@contextmanager
def _environment(variables: dict[str, str]) -> Generator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
