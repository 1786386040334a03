"""Find the commands that other distributions add, through the entry point group ``keyturn.commands``."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from keyturn.cli.output import print_lines, stderr

GROUP = "keyturn.commands"
LAB = ("capacity", "compare")
"""Commands of keyturn-lab: it is installed by path, so their names are all that is known before."""


class Commands(TyperGroup):
    """List Keyturn's own commands, then the added ones.

    An added command is imported when it is run or listed, and cannot replace one of ours.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help text."""
        own = super().list_commands(ctx)
        return [*own, *sorted(installed_commands().keys() - set(own))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, or None. Ends with exit code 2 where keyturn-lab would have to be installed."""
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
    """Return what is installed, by the command's name."""
    return {each.name: each for each in entry_points(group=GROUP)}


def _advice(name: str) -> str:
    return f"keyturn {name} comes with keyturn-lab, which is not installed; in a clone of Keyturn: pip install ./lab"
