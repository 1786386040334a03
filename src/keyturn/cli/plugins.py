"""Commands of other distributions, found through the entry point group ``keyturn.commands``."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from keyturn.cli.output import print_lines, stderr

GROUP = "keyturn.commands"
LAB = ("capacity", "compare")
"""Names of keyturn-lab's commands, to advise its installation when it is missing."""


class PluginGroup(TyperGroup):
    """Command group that lists Keyturn's own commands before those of other distributions.

    A command of another distribution is imported when it is run or listed, and cannot replace one of Keyturn's.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of the help text."""
        own = super().list_commands(ctx)
        return [*own, *sorted(installed_commands().keys() - set(own))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, or None. Exit with code 2 for a command of keyturn-lab if that is not installed."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry = installed_commands().get(cmd_name)
        if entry is not None:
            return typer.main.get_command(entry.load())
        if cmd_name in LAB:
            print_lines([_advice(cmd_name)], stderr)
            raise typer.Exit(2)
        return None


def installed_commands() -> dict[str, EntryPoint]:
    """Return the entry points of installed commands by name."""
    return {each.name: each for each in entry_points(group=GROUP)}


def _advice(name: str) -> str:
    return f"keyturn {name} comes with keyturn-lab, which is not installed; in a clone of Keyturn: pip install ./lab"
