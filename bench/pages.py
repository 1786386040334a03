"""Markdown tables of the figures: four lines in README.md, and every line in bench/README.md."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

Record = dict[str, Any]


class Headline(NamedTuple):
    """One line of the README: the figure it shows, its text, and the peer in the next column."""

    chapter: str
    work: str
    text: str
    peer: str
    only: str
    """The chapter of ``scripts/bench --only`` that measures it."""


HEADLINES = (
    Headline("Access token check", "HS256, seen before", "Check an access token", "PyJWT", "tokens"),
    Headline(
        "CPU that authentication adds to a request",
        "JWT, seen before",
        "CPU that authentication adds to a request",
        "FastAPI + PyJWT",
        "requests",
    ),
    Headline(
        "Revocation to refusal in another process",
        "session cookie, two processes on PostgreSQL",
        "Refused in another process after a logout",
        "",
        "postgresql",
    ),
)


def write_pages(results: Path, readme: Path, full: Path) -> None:
    """Write the tables of ``readme`` and ``full``, between their markers, from the JSON of a run."""
    document = read_results(results)
    _replace(readme, short_table(document))
    _replace(full, full_table(document))


def read_results(results: Path) -> Record:
    """Return the machine and the figures of a run."""
    document: Record = json.loads(results.read_text(encoding="utf-8"))
    return document


def short_table(document: Record) -> str:
    """Return the four figures of the README as Markdown."""
    lines = ["| | Keyturn | others | measured by |", "|---|---|---|---|"]
    lines += [_headline(each, document["figures"]) for each in HEADLINES]
    attacks = count_attacks()
    lines.append(
        f"| Attacks of public advisories accepted | **0** of {attacks:,} | | `scripts/test tests/advisories` |"
    )
    return "\n".join(lines)


def full_table(document: Record) -> str:
    """Return every result as Markdown; then the goals that were missed and met; then the machine."""
    figures = document["figures"]
    lines = ["| work | Keyturn | beside it, in the same run |", "|---|---|---|", *map(_result, figures), ""]
    lines += ["### Goals", "", "Missed:", "", "| goal | figure | is | reason |", "|---|---|---|---|"]
    lines += [_goal(figure, goal, goal["why"]) for figure, goal in _goals(figures, met=False)]
    lines += ["", "Met:", "", "| goal | figure | is |", "|---|---|---|"]
    lines += [_goal(figure, goal) for figure, goal in _goals(figures, met=True)]
    apart = [_run_of_chapter(*each) for each in document.get("chapters", {}).items()]
    return "\n".join([*lines, "", _machine(document["machine"]), *apart])


def count_attacks() -> int:
    """Count the tests that replay attacks of public advisories, the ones of ``--long`` included."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/advisories"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    total = re.search(r"(\d+)(?:/(\d+))? tests? collected", output)
    if total is None:
        raise RuntimeError(f"pytest collected nothing: {output[-500:]}")
    return int(total[2] or total[1])


def _headline(headline: Headline, figures: Sequence[Record]) -> str:
    figure = next(each for each in figures if (each["chapter"], each["work"]) == (headline.chapter, headline.work))
    peers = {each["name"]: each["median"] for each in figure["series"][1:]}
    comparison = "JWT libraries: never before it expires"
    if headline.peer:
        comparison = f"{headline.peer} {_short(peers[headline.peer])} {figure['unit']}"
    value = f"**{_short(figure['series'][0]['median'])} {figure['unit']}**"
    return f"| {headline.text} | {value} | {comparison} | `scripts/bench --only {headline.only}` |"


def _result(figure: Record) -> str:
    keyturn, *peers = figure["series"]
    name = keyturn["name"].removeprefix("Keyturn").strip(" ,")
    work = f"{figure['chapter']}: {figure['work']}" + (f" ({figure['note']})" if figure["note"] else "")
    value = f"**{_short(keyturn['median'])} {figure['unit']}**" + (f" ({name})" if name else "")
    comparison = "; ".join(f"{each['name']} {_short(each['median'])}" for each in peers)
    return f"| {work} | {value} | {comparison} |"


def _goals(figures: Iterable[Record], *, met: bool) -> list[tuple[Record, Record]]:
    return [(figure, goal) for figure in figures for goal in figure["goals"] if goal["met"] is met]


def _goal(figure: Record, goal: Record, *more: str) -> str:
    cells = (goal["text"], f"{figure['chapter']}: {figure['work']}", f"{goal['value']:.3g}", *more)
    return f"| {' | '.join(cells)} |"


def _run_of_chapter(chapter: str, machine: Record) -> str:
    """Return the machine of a chapter that was measured by itself."""
    return f"{chapter}: in a run of its own on {machine['measured_at']}, {machine['cpu']}; {_versions(machine)}."


def _versions(machine: Record) -> str:
    return ", ".join(f"{name} {number}" for name, number in machine["versions"].items())


def _machine(machine: Record) -> str:
    return (
        f"Medians of one run of `scripts/bench` on {machine['measured_at']}: {machine['cpu']}, {machine['cores']}"
        f" cores, {machine['system']}, {machine['python']}; {_versions(machine)}. [All samples](results/latest.json) ·"
        " [as a plot](results/latest.svg)."
    )


def _replace(page: Path, table: str) -> None:
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
