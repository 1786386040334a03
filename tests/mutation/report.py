"""Present the results of a run: a table for people, or JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mutation.equivalents import Equivalent
from mutation.source import Mutant
from mutation.trial import CAUGHT, HANG, Result

_WIDTH = 90


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its seed, the results, and the equivalent mutants that were drawn and passed over."""

    seed: int
    results: Sequence[Result]
    equivalents: Sequence[tuple[Mutant, Equivalent]]

    @property
    def survivors(self) -> list[Result]:
        """The mutants that no test was seen to catch."""
        return [each for each in self.results if each.verdict not in (CAUGHT, HANG)]


def progress(number: int, count: int, result: Result) -> str:
    mutant = result.mutant
    verdict = f"{result.verdict} in {result.seconds:.0f} s"
    return f"[{number}/{count}] {verdict}: {mutant.place} {shorten(mutant.change)} {result.by}".rstrip()


def table(run: Run) -> str:
    """Return the run as a table in Markdown."""
    caught = len(run.results) - len(run.survivors)
    summary = f"Seed {run.seed}: {caught} of {len(run.results)} mutants caught, {len(run.equivalents)} equivalent."
    tried = [
        _row(each.mutant, f"{each.verdict}: {each.by.removeprefix('tests/')}" if each.by else each.verdict)
        for each in run.results
    ]
    passed = [_row(mutant, f"equivalent: {each.reason}") for mutant, each in run.equivalents]
    return "\n".join(("| site | change | verdict |", "|---|---|---|", *tried, *passed, "", summary))


def document(run: Run) -> str:
    """Return the run as JSON."""
    results = [{**asdict(each.mutant), "verdict": each.verdict, "by": each.by} for each in run.results]
    equivalents = [{**asdict(mutant), "reason": each.reason} for mutant, each in run.equivalents]
    return json.dumps({"seed": run.seed, "results": results, "equivalents": equivalents}, indent=1)


def shorten(text: str) -> str:
    """Cut ``text`` in its middle, where two long expressions are alike."""
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH // 2]} … {text[-_WIDTH // 2 :]}"


def _row(mutant: Mutant, verdict: str) -> str:
    return f"| `{mutant.place}` | `{_cell(shorten(mutant.change))}` | {_cell(verdict)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
