"""The bench runs: every chapter, briefly. No figure is judged here; a busy machine must not fail a test."""

import json
import warnings
from pathlib import Path
from statistics import median

import pytest
from bench.__main__ import CHAPTERS, main
from bench.figures import Figure, Goal
from bench.sampling import QUICK, Plan, Series, alternate, ratio, repeat, subtract_bare

from bench import pages, plot, report

MACHINE = {"cpu": "cpu", "cores": 2, "system": "Linux", "python": "CPython", "measured_at": "2026-01-01"}


BRIEF = ("tokens", "rotations", "revocations")
LONG = pytest.mark.long(stands_in="tests/bench/test_bench_smoke.py::test_a_chapter_returns_its_figures[rotations]")


@pytest.mark.parametrize("chapter", [pytest.param(each, marks=() if each in BRIEF else LONG) for each in CHAPTERS])
def test_a_chapter_returns_its_figures(chapter: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="joserfc")
        figures = CHAPTERS[chapter].measure(QUICK)
    assert figures
    for figure in figures:
        assert figure.series[0].name.startswith("Keyturn")
        assert all(each.samples for each in figure.series)


def test_sides_take_turns_and_are_compared_round_by_round() -> None:
    order: list[str] = []
    sides = [repeat(name, lambda name=name: order.append(name)) for name in "ab"]
    found = alternate(sides, Plan(rounds=4, sample_seconds=0.0))
    assert order[2:] == ["a", "b", "b", "a"] * 2
    assert [len(each.samples) for each in found] == [4, 4]
    ours, theirs = Series("a", [2.0, 30.0, 4.0]), Series("b", [1.0, 10.0, 4.0])
    assert ratio(ours, theirs) == median([2.0, 3.0, 1.0])
    assert subtract_bare(ours, theirs).samples == [1.0, 20.0, 0.0]


def test_goals_are_listed_separately_and_a_missed_one_has_a_reason(tmp_path: Path) -> None:
    figure = Figure("chapter", "work", "µs", [Series("Keyturn", [1.0, 2.0]), Series("peer", [3.0, 4.0])])
    figure.goals = [Goal("at most 1 µs", 1.5, 1.0, why="the moon"), Goal("at least 70%", 0.8, 0.7, at_most=False)]
    kept = tmp_path / "run.json"
    report.write_json([figure], {**MACHINE, "versions": {"pyjwt": "2"}}, kept)
    assert [goal["met"] for goal in json.loads(kept.read_text())["figures"][0]["goals"]] == [False, True]
    table = pages.full_table(json.loads(kept.read_text()))
    assert "| chapter: work | **1.50 µs** | peer 3.50 |" in table
    assert "Missed:" in table.partition("at most 1 µs | chapter: work | 1.5 | the moon")[0]
    assert "Met:" in table.partition("at least 70% | chapter: work | 0.8 |")[0]
    assert table.count("issed") == 1
    plot.draw(kept, tmp_path / "run.svg")
    assert "<svg" in (tmp_path / "run.svg").read_text()


def test_a_table_is_written_between_the_markers(tmp_path: Path) -> None:
    results = Path(pages.__file__).parent / "results" / "latest.json"
    readme, full = tmp_path / "README.md", tmp_path / "full.md"
    for each in (readme, full):
        each.write_text(f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n")
    pages.write_pages(results, readme, full)
    for each in (readme, full):
        text = each.read_text()
        assert text.startswith(f"before\n{pages.BEGIN}\n|")
        assert text.endswith(f"\n{pages.END}\nafter\n")
        assert "old" not in text


def test_a_chapter_measured_by_itself_replaces_only_its_own_figures(tmp_path: Path) -> None:
    kept = tmp_path / "run.json"
    machine = {**MACHINE, "versions": {"pyjwt": "2"}}
    old = [Figure(chapter, "work", "µs", [Series("Keyturn", [1.0])]) for chapter in ("first", "second")]
    report.write_json(old, machine, kept)
    new = Figure("second", "work", "µs", [Series("Keyturn", [9.0])])
    report.write_json([new], {**machine, "measured_at": "2026-02-02"}, kept, is_update=True)
    table = pages.full_table(pages.read_results(kept))
    assert "| first: work | **1.00 µs** |" in table
    assert "| second: work | **9.00 µs** |" in table
    assert table.count("second: work") == 1
    assert "second: in a run of its own on 2026-02-02" in table


def test_pages_are_not_written_from_a_quick_run() -> None:
    with pytest.raises(SystemExit):
        main(["--quick", "--readme"])
