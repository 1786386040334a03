"""Plot: the figures of a JSON file as one SVG that reads on light and on dark pages."""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

OURS, THEIRS, MISSED, INK = "#1f9e89", "#8b95a5", "#d1782c", "#7d8590"
"""Colours with enough contrast on white and on near-black alike."""

_COLUMNS = 2


def draw(source: Path, target: Path) -> None:
    """One panel per figure, logarithmic, quartiles as whiskers; goals in its title."""
    figures = json.loads(source.read_text(encoding="utf-8"))["figures"]
    rows = -(-len(figures) // _COLUMNS)
    style = {"svg.fonttype": "none", "svg.hashsalt": "keyturn", "font.size": 8, "font.family": "sans-serif"}
    inks = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), INK)
    with pyplot.rc_context({**style, **inks}):
        sheet, axes = pyplot.subplots(rows, _COLUMNS, figsize=(11, 1.75 * rows), squeeze=False)
        for axis, figure in zip(axes.flat, figures, strict=False):
            _panel(axis, figure)
        for axis in axes.flat[len(figures) :]:
            axis.set_visible(False)
        sheet.tight_layout()
        sheet.savefig(target, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(sheet)


def _panel(axis: Any, figure: dict[str, Any]) -> None:
    series = figure["series"][::-1]
    middles = [max(each["median"], 1e-3) for each in series]
    ours = len(series) - 1
    bars = axis.barh([each["name"] for each in series], middles, color=[THEIRS] * ours + [OURS], height=0.66)
    low = [max(0.0, middle - each["quartiles"][0]) for middle, each in zip(middles, series, strict=True)]
    high = [max(0.0, each["quartiles"][1] - middle) for middle, each in zip(middles, series, strict=True)]
    # A whisker of a logarithmic axis must not reach zero.
    low = [min(reach, middle * 0.9) for reach, middle in zip(low, middles, strict=True)]
    axis.errorbar(middles, range(len(series)), xerr=[low, high], fmt="none", ecolor=INK, elinewidth=0.8)
    axis.bar_label(bars, [f"{middle:,.3g}" for middle in middles], padding=6, color=INK)
    axis.set_xscale("log")
    axis.margins(x=0.25)
    axis.set_facecolor("none")
    axis.spines[["top", "right"]].set_visible(False)
    missed = any(not goal["met"] for goal in figure["goals"])
    goals = "; ".join(f"{goal['text']}: {'met' if goal['met'] else 'missed'}" for goal in figure["goals"])
    axis.set_title(
        f"{figure['chapter']}: {figure['work']} ({figure['unit']})", loc="left", fontsize=8, fontweight="bold", pad=14
    )
    axis.text(0, 1.03, goals, transform=axis.transAxes, fontsize=7, color=MISSED if missed else INK)
