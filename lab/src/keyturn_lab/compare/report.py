"""Results of a measurement as a JSON record, as SVG plots and as one self-contained HTML page."""

import os
import platform
from io import BytesIO
from typing import Any

import matplotlib
from jinja2 import Environment
from markupsafe import Markup

matplotlib.use("svg")
from matplotlib import pyplot

from keyturn_lab.compare.measure import MODES, Figure, Plan, Results

NAMES = {"session": "Session", "jwt": "JWT", "hybrid": "Hybrid"}
COLOURS = {"session": "#d9921a", "jwt": "#2f74c8", "hybrid": "#1f9e89"}
"""Colours with enough contrast both on white and on near-black."""
INK = "#7d8590"
# Large parts of matplotlib have no type annotations.
_pyplot: Any = pyplot

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Session, JWT or both</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: .92rem; display: block; overflow-x: auto }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #8886; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
small { opacity: .75; display: block; white-space: normal } svg { max-width: 100%; height: auto }
</style>
<h1>Session, JWT or both</h1>
<p>Measured on {{ record.machine }}, on {{ record.store }}: runs of {{ record.plan.seconds }} s: {{ record.plan.runs }};
connections per instance: {{ record.plan.connections }}. Medians, with the minimum and maximum of the runs.</p>
<table><tr><th></th>{% for mode in modes %}<th>{{ names[mode] }}</th>{% endfor %}</tr>
{% for row in rows %}<tr><td>{{ row[0] }}</td>
{% for cell in row[1:] %}<td class="n">{{ cell[0] }}<small>{{ cell[1] }}</small></td>
{% endfor %}</tr>{% endfor %}</table>
{% for svg in plots %}{{ svg }}{% endfor %}
<p><b>Session</b>: a cookie, looked up in the store for every request. <b>JWT</b>: a signed token, verified offline by
its signature and expiry only. <b>Hybrid</b>: either of them, checked in memory against the revocation feed; half of the
requests send a cookie and half a token. “Store away” means that every call to the store fails, those of the feed
included; the staleness bound is one second.</p>
</html>
"""


def record_of(results: Results, plan: Plan, store: str) -> dict[str, Any]:
    """Return the results as plain values, for JSON."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {_cores()} cores, Python {platform.python_version()}",
        "store": store,
        "plan": {name: getattr(plan, name) for name in plan.__slots__},
        "modes": {mode: [each.record() for each in results[mode].values()] for mode in MODES},
    }


def rows_of(results: Results) -> list[list[Any]]:
    """Return one row per figure: its name, then for each mode the median and its range or note."""
    names = list(results["session"])
    return [[name, *(_cell(results[mode][name]) for mode in MODES)] for name in names]


def format_figure(value: float | None, unit: str) -> str:
    """Format a figure for people."""
    if value is None:
        return "-"
    if unit == "MB":
        return f"{value:,.0f} MB"
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".strip()


def plots_of(results: Results) -> dict[str, bytes]:
    """Return the SVG plots by name: ``scaling`` (requests by instances), ``costs`` (CPU per request)."""
    return {"scaling": _scaling(results), "costs": _costs(results)}


def page_of(results: Results, record: dict[str, Any]) -> str:
    """Render the page. All values are escaped; the plots are inserted as SVG."""
    svgs = [Markup(_inline(each)) for each in plots_of(results).values()]  # noqa: S704 - drawn by us from our own numbers
    template = Environment(autoescape=True).from_string(_PAGE)
    return template.render(record=record, rows=rows_of(results), modes=MODES, names=NAMES, plots=svgs)


def _cell(figure: Figure) -> tuple[str, str]:
    low, high = (min(figure.samples), max(figure.samples)) if figure.samples else (0.0, 0.0)
    spread = "" if low == high else f"{format_figure(low, '')} to {format_figure(high, figure.unit)}"
    return format_figure(figure.middle, figure.unit), "; ".join(each for each in (figure.note, spread) if each)


def _scaling(results: Results) -> bytes:
    names = [name for name in results["session"] if name.startswith("requests per second")]
    sheet, axis = _sheet("requests per second, by instances")
    for mode in MODES:
        points = [results[mode][name].middle or 0.0 for name in names]
        axis.plot(range(1, len(points) + 1), points, marker="o", color=COLOURS[mode], label=NAMES[mode])
    axis.set_xticks(range(1, len(names) + 1))
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False)
    return _svg(sheet)


def _costs(results: Results) -> bytes:
    sheet, axis = _sheet("CPU per request, microseconds")
    name = "CPU, per request"
    values = [results[mode][name].middle or 0.0 for mode in MODES]
    bars = axis.bar([NAMES[mode] for mode in MODES], values, color=[COLOURS[mode] for mode in MODES])
    axis.bar_label(bars, fmt="%.0f", color=INK)
    return _svg(sheet)


def _sheet(title: str) -> tuple[Any, Any]:
    colour_settings = (
        "text.color",
        "axes.labelcolor",
        "xtick.color",
        "ytick.color",
        "axes.edgecolor",
        "axes.titlecolor",
    )
    _pyplot.rcParams.update(
        {**dict.fromkeys(colour_settings, INK), "svg.fonttype": "none", "svg.hashsalt": "keyturn", "font.size": 9}
    )
    sheet, axis = _pyplot.subplots(figsize=(6.4, 3.0))
    axis.set_facecolor("none")
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(title, loc="left", fontsize=10)
    return sheet, axis


def _svg(sheet: Any) -> bytes:
    buffer = BytesIO()
    sheet.tight_layout()
    sheet.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    _pyplot.close(sheet)
    return buffer.getvalue()


def _inline(svg: bytes) -> str:
    text = svg.decode()
    return text[text.index("<svg") :]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
