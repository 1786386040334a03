"""Drawings of the journeys.

``python tests/docs/journey_drawings.py`` writes them, and counts the functions and files of each journey; ``--list``
names them.
"""

import sys
import tempfile
from html import escape
from pathlib import Path

from docs.journeys import LANES, STATIONS, Hop, trace_all

STATIC = Path(__file__).parents[2] / "docs" / "_static"
_LANE_WIDTH, _ROW_HEIGHT, _LEFT, _TOP, _WIDTH = 72, 34, 46, 62, 1040
_TITLES = {
    "cookie": "A session cookie that is cached",
    "token": "An access token that a service sees for the first time",
    "refresh": "A refresh",
    "revoke": "A logout, until another service refuses the token",
}
_STYLE = """
    .panel { fill: #fbfaf6; stroke: #e4e0d5; } .lane { stroke: #e4e0d5; }
    .path { stroke: #d9921a; fill: none; stroke-width: 2.5; }
    .stop { fill: #fbfaf6; stroke: #d9921a; stroke-width: 2.5; } .ink { fill: #23262d; } .soft { fill: #6a6f7a; }
    text { font-family: "Inter", "Segoe UI", "Helvetica Neue", Helvetica, Arial, sans-serif; font-size: 13px; }
    .mono { font-family: "JetBrains Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
    @media (prefers-color-scheme: dark) {
      .panel { fill: #15181e; stroke: #2b303a; } .lane { stroke: #2b303a; } .path { stroke: #e8a93c; }
      .stop { fill: #15181e; stroke: #e8a93c; } .ink { fill: #eceef2; } .soft { fill: #9aa1ae; }
    }
"""


def draw(name: str) -> str:
    """Return the drawing of a journey: a column for each layer, a row for each function."""
    stations = STATIONS[name]
    height = _TOP + _ROW_HEIGHT * len(stations) + 16
    points = [(_LEFT + _LANE_WIDTH * each.lane, _TOP + _ROW_HEIGHT * row) for row, each in enumerate(stations)]
    described = "; ".join(f"{each.function} in {each.file}" for each in stations)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
            'aria-labelledby="title desc">',
            f'  <title id="title">{_TITLES[name]}</title>',
            f'  <desc id="desc">{escape(described)}</desc>',
            f"  <style>{_STYLE}  </style>",
            f'  <rect class="panel" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="10"/>',
            *(_draw_lane(number, lane, height) for number, lane in enumerate(LANES)),
            f'  <polyline class="path" points="{" ".join(f"{x},{y}" for x, y in points)}"/>',
            *(_draw_station(each, x, y) for each, (x, y) in zip(stations, points, strict=True)),
            "</svg>\n",
        )
    )


def _draw_lane(number: int, lane: str, height: int) -> str:
    x = _LEFT + _LANE_WIDTH * number
    return (
        f'  <text class="soft" x="{x}" y="30" text-anchor="middle">{lane}</text>\n'
        f'  <line class="lane" x1="{x}" y1="42" x2="{x}" y2="{height - 16}"/>'
    )


def _draw_station(hop: Hop, x: int, y: int) -> str:
    label = _LEFT + _LANE_WIDTH * (len(LANES) - 1) + 40
    return (
        f'  <circle class="stop" cx="{x}" cy="{y}" r="6"/>\n'
        f'  <text class="mono" x="{label}" y="{y + 4}"><tspan class="ink">{escape(hop.function)}</tspan>'
        f'<tspan class="soft" dx="10">{hop.file}</tspan></text>'
    )


def drawing_of(name: str) -> Path:
    """Return the file of a drawing."""
    return STATIC / f"journey-{name}.svg"


if __name__ == "__main__":
    for journey in STATIONS:
        drawing_of(journey).write_text(draw(journey), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for name, hops in trace_all(Path(folder)).items():
            print(f"{name}: {len(hops)} functions in {len({each.file for each in hops})} files")
            if "--list" in sys.argv:
                print(*(f"    {each.file} {each.function}" for each in hops), sep="\n")
