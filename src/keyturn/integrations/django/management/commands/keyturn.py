"""``manage.py keyturn ...``: the command line of Keyturn with the settings of the project."""

import os
import subprocess
import sys
from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from keyturn.integrations.django.project import issuer_settings

_PROGRAM = "from keyturn.cli import app; app(prog_name='manage.py keyturn')"


class Command(BaseCommand):
    """Pass the arguments to ``keyturn``, with ``settings.KEYTURN`` as variables of its environment."""

    help = "Run the command line of Keyturn, such as: manage.py keyturn revoke subject 42"
    requires_system_checks: Any = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take everything as it is."""
        parser.add_argument("arguments", nargs=REMAINDER)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the command. Exit with its status."""
        named = issuer_settings(getattr(settings, "KEYTURN", {}))
        environment = os.environ | {f"KEYTURN_{name.upper()}": value for name, value in named.items()}
        command = [sys.executable, "-c", _PROGRAM, *options["arguments"]]
        status = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own program
        if status:
            raise SystemExit(status)
