"""`python -m bench`: measure, print and save the figures."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import (
    frameworks,
    logins,
    million,
    pages,
    plot,
    postgresql,
    redis_sessions,
    report,
    requests,
    revocations,
    rotations,
    sockets,
    tokens,
)
from bench.figures import Figure
from bench.machine import describe
from bench.sampling import QUICK, Plan

HOME = Path(__file__).parent
CHAPTERS: dict[str, ModuleType] = {
    "tokens": tokens,
    "requests": requests,
    "frameworks": frameworks,
    "logins": logins,
    "rotations": rotations,
    "revocations": revocations,
    "postgresql": postgresql,
    "redis": redis_sessions,
    "million": million,
    "sockets": sockets,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the selected chapters. Return 0 even if goals are missed: that is a result, not an error."""
    options = _parse(arguments)
    if options.pages_only:
        write_pages()
        return 0
    # joserfc warns that EdDSA has a newer name, which does not matter for measurements.
    warnings.filterwarnings("ignore", module="joserfc")
    console = Console(width=None if sys.stdout.isatty() else 130)
    machine = describe()
    figures = run(options.only or list(CHAPTERS), _plan(options), console)
    report.show(figures, machine, console)
    target: Path | None = options.json or _results_to_write(options)
    if target is not None:
        report.write_json(figures, machine, target, is_update=bool(options.only) and options.json is None)
        plot.draw(target, target.with_suffix(".svg"))
        console.print(f"wrote {target} and {target.with_suffix('.svg')}")
    if options.readme:
        write_pages()
    return 0


def write_pages() -> None:
    """Write the tables of both READMEs and the plots from the last whole run."""
    results = HOME / "results" / "latest.json"
    pages.write_pages(results, HOME.parent / "README.md", HOME / "README.md")
    plot.draw(results, results.with_suffix(".svg"))
    plot.draw(
        results, HOME.parent / "docs" / "_static" / "figures.svg", [each[:2] for each in pages.HEADLINES if each.peer]
    )


def run(chapters: Sequence[str], plan: Plan, console: Console) -> list[Figure]:
    """Run ``chapters`` with a progress bar and return their figures."""
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    figures: list[Figure] = []
    with Progress(*columns, console=console) as progress:
        for name in chapters:
            chapter = CHAPTERS[name]
            task = progress.add_task(name, total=chapter.steps(plan))
            figures += chapter.measure(replace(plan, tick=lambda task=task: progress.advance(task)))
    return figures


def _results_to_write(options: argparse.Namespace) -> Path | None:
    is_recorded = options.readme or not (options.quick or options.only)
    return HOME / "results" / "latest.json" if is_recorded else None


def _plan(options: argparse.Namespace) -> Plan:
    if options.quick:
        return QUICK
    return replace(Plan(), rounds=options.rounds)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=CHAPTERS, help="measure only this chapter; repeatable")
    parser.add_argument("--rounds", type=int, default=Plan().rounds, help="samples per side [default: %(default)s]")
    parser.add_argument("--quick", action="store_true", help="make one short run to see that it works")
    parser.add_argument("--json", type=Path, help="write the figures to this file, and the plot next to it as .svg")
    parser.add_argument("--readme", action="store_true", help="also write the tables of README.md and bench/README.md")
    parser.add_argument("--pages-only", action="store_true", help="only write the tables, from results/latest.json")
    options = parser.parse_args(arguments)
    if options.readme and options.quick:
        parser.error("--readme needs a run that measures: omit --quick")
    if options.rounds < 2:
        parser.error("--rounds must be at least 2")
    return options


if __name__ == "__main__":
    sys.exit(main())
