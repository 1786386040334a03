"""Refusal of commands by the names they had before November 2026."""

from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from keyturn.cli.output import print_lines, stderr

FORMER_COMMANDS: Mapping[str, str] = {
    "restored": "mark-restored",
    "sessions-here": "use-sql-sessions",
    "sessions-lost": "reset-redis-sessions",
    "everything": "all",
    "withdraw": "remove",
}


class RenamedCommands(TyperGroup):
    """Command group that refuses a former name and prints the present one."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, or None. Exit with code 2 for a former name."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in FORMER_COMMANDS:
            group = ctx.command_path
            print_lines([f"`{group} {cmd_name}` is now `{group} {FORMER_COMMANDS[cmd_name]}`"], stderr)
            raise typer.Exit(2)
        return command
