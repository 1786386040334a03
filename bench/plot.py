"""SVG plot of the figures of a JSON file, legible on light and dark pages."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

KEYTURN, PEERS, MISSED, INK = "#1f9e89", "#8b95a5", "#d1782c", "#7d8590"
"""Colours with enough contrast both on white and on near-black."""

_COLUMNS = 2


def draw(source: Path, target: Path, only: Sequence[tuple[str, str]] = ()) -> None:
    """Draw one panel per figure, from zero, with quartiles as whiskers and the goals under its title.

    ``only``: draw the figures of these chapters and works, without goals, instead of all.
    """
    figures = json.loads(source.read_text(encoding="utf-8"))["figures"]
    if only:
        figures = [each | {"goals": []} for each in figures if (each["chapter"], each["work"]) in only]
    rows = -(-len(figures) // _COLUMNS)
    style = {"svg.fonttype": "none", "svg.hashsalt": "keyturn", "font.size": 8, "font.family": "sans-serif"}
    colours = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), INK)
    with pyplot.rc_context({**style, **colours}):
        sheet, axes = pyplot.subplots(rows, _COLUMNS, figsize=(12, 1.9 * rows), squeeze=False)
        for axis, figure in zip(axes.flat, figures, strict=False):
            _panel(axis, figure)
        for axis in axes.flat[len(figures) :]:
            axis.set_visible(False)
        sheet.tight_layout(w_pad=4, h_pad=2)
        sheet.savefig(target, format=target.suffix[1:], transparent=True, metadata={"Date": None})
        pyplot.close(sheet)


def _panel(axis: Any, figure: dict[str, Any]) -> None:
    series = figure["series"][::-1]
    middles = [each["median"] for each in series]
    axis.barh([each["name"] for each in series], middles, color=[_colour(each) for each in series], height=0.66)
    whiskers = [
        [abs(middle - each["quartiles"][end]) for middle, each in zip(middles, series, strict=True)] for end in (0, 1)
    ]
    axis.errorbar(middles, range(len(series)), xerr=whiskers, fmt="none", ecolor=INK, elinewidth=0.8)
    for row, each in enumerate(series):
        point = (max(each["median"], each["quartiles"][1]), row)
        axis.annotate(_short(each["median"]), point, (6, 0), textcoords="offset points", va="center")
    axis.set_xlim(0, 1.2 * max(each["quartiles"][1] for each in series))
    margin = max(0, 3 - len(series)) / 2
    axis.set_ylim(-0.6 - margin, len(series) - 0.4 + margin)
    axis.set_facecolor("none")
    axis.set_xticks([])
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.tick_params(left=False)
    _add_titles(axis, figure)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _colour(series: dict[str, Any]) -> str:
    return KEYTURN if series["name"].startswith("Keyturn") else PEERS


def _add_titles(axis: Any, figure: dict[str, Any]) -> None:
    missed = any(not goal["met"] for goal in figure["goals"])
    goals = "; ".join(f"{goal['text']}: {'met' if goal['met'] else 'missed'}" for goal in figure["goals"])
    position = {"transform": axis.transAxes, "ha": "left"}
    axis.text(0, 1.28, figure["chapter"], fontsize=8, fontweight="bold", **position)
    axis.text(0, 1.13, f"{figure['work']}, {figure['unit']}", fontsize=8, **position)
    axis.text(0, 1.0, goals or " ", fontsize=7, color=MISSED if missed else INK, **position)
