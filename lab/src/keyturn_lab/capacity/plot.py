"""SVG plots of limits, of the time from revocation to refusal and of growth, legible on light and dark pages."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

from keyturn_lab.capacity.limits import Limit, limits_of
from keyturn_lab.capacity.model import Model
from keyturn_lab.capacity.simulation import Outcome

MET, EXCEEDED, OUTAGE, INK = "#1f9e89", "#d1782c", "#8b95a5", "#7d8590"
"""Colours with enough contrast both on white and on near-black."""
LINES = ("#1f9e89", "#d1782c", "#6f7bd9", "#b65fa5", "#8b95a5")
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "keyturn", "font.size": 9, "font.family": "sans-serif"}
_POINTS = 400
# Large parts of matplotlib have no type annotations.
_pyplot: Any = pyplot


def draw_limits(limits: Sequence[Limit]) -> bytes:
    """Draw the load of each limit on a logarithmic axis; bars beyond the line exceed the limit."""
    with _sheet(7.6, 0.32 * len(limits) + 1.1) as (sheet, axis):
        rows = list(limits)[::-1]
        loads = [max(each.load, 1e-4) for each in rows]
        axis.barh([each.name for each in rows], loads, left=1e-4, color=[_colour(each) for each in rows], height=0.62)
        axis.axvline(1, color=INK, linewidth=1)
        axis.set_xscale("log")
        axis.set_xlim(1e-4, max(10.0, 4 * max(loads)))
        for index, each in enumerate(rows):
            point = (max(each.load, 1e-4), index)
            axis.annotate(f"{each.load:.2g}", point, (4, 0), textcoords="offset points", va="center")
        axis.set_xlabel("needed / available (grey: only if the feed were lost)")
        return _svg(sheet)


def draw_delays(outcomes: Sequence[tuple[str, Outcome]]) -> bytes:
    """Draw the simulated share of verifiers that have received a revocation over time."""
    with _sheet(7.6, 3.4) as (sheet, axis):
        for colour, (name, outcome) in zip(LINES, outcomes, strict=False):
            shares = [number / _POINTS for number in range(_POINTS + 1)]
            axis.plot([max(outcome.quantile(each), 1e-5) for each in shares], shares, color=colour, label=name)
        axis.set_xscale("log")
        axis.set_ylim(0, 1)
        axis.set_xlabel("seconds from revocation to refusal (simulated)")
        axis.set_ylabel("share of verifiers")
        _legend(axis)
        return _svg(sheet)


def draw_growth(rows: Sequence[tuple[str, Sequence[Model]]], names: Sequence[str]) -> bytes:
    """Draw the load of the limits ``names`` over the number of sessions, one panel per row."""
    with _sheet(9.6, 3.6, len(rows)) as (sheet, axes):
        for axis, (title, models) in zip(axes if len(rows) > 1 else [axes], rows, strict=True):
            sessions = [each.demand.sessions for each in models]
            for colour, name in zip(LINES, names, strict=False):
                axis.plot(sessions, [_load(each, name) for each in models], color=colour, label=name, marker=".")
            axis.axhline(1, color=INK, linewidth=1)
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_title(title, fontsize=9)
            axis.set_xlabel("sessions")
        (axes if len(rows) == 1 else axes[0]).set_ylabel("needed / available")
        handles, labels = (axes if len(rows) == 1 else axes[0]).get_legend_handles_labels()
        sheet.legend(handles, labels, loc="lower center", ncols=len(names), frameon=False, fontsize=8)
        sheet.tight_layout(rect=(0, 0.08, 1, 1))
        return _svg(sheet, tight=False)


@contextmanager
def _sheet(width: float, height: float, columns: int = 1) -> Generator[tuple[Any, Any]]:
    colours = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), INK)
    style: Any = {**_STYLE, **colours}
    with _pyplot.rc_context(style):
        figure, axes = _pyplot.subplots(1, columns, figsize=(width, height), sharey=True)
        for axis in [axes] if columns == 1 else axes:
            axis.set_facecolor("none")
            axis.spines[["top", "right"]].set_visible(False)
        yield figure, axes
        _pyplot.close(figure)


def _svg(sheet: Any, *, tight: bool = True) -> bytes:
    if tight:
        sheet.tight_layout()
    buffer = BytesIO()
    sheet.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _legend(axis: Any) -> None:
    axis.legend(frameon=False, fontsize=8, loc="upper left")


def _colour(limit: Limit) -> str:
    if limit.outage:
        return OUTAGE
    return MET if limit.is_met else EXCEEDED


def _load(model: Model, name: str) -> float:
    return max(1e-6, next((each.load for each in limits_of(model) if each.name == name), 1e-6))
