"""Drawings of the journeys.

``PYTHONPATH=tests:. python tests/docs/journey_drawings.py`` writes them, and counts the functions and files of each
journey; ``--list`` names them.
"""

import sys
import tempfile
from html import escape
from pathlib import Path

from docs.journeys import LABELS, LANES, STATIONS, Hop, trace_all

STATIC = Path(__file__).parents[2] / "docs" / "_static"
_LANE_WIDTH, _ROW_HEIGHT, _LEFT, _TOP, _MARGIN = 28, 50, 24, 92, 16
_CHARACTER_WIDTH = 9.7
"""Width of a monospace character of 16 px, in the widest of the fonts."""
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
    text { font-family: "Inter", "Segoe UI", "Helvetica Neue", Helvetica, Arial, sans-serif; font-size: 16px; }
    .mono { font-family: "JetBrains Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
    @media (prefers-color-scheme: dark) {
      .panel { fill: #15181e; stroke: #2b303a; } .lane { stroke: #2b303a; } .path { stroke: #e8a93c; }
      .stop { fill: #15181e; stroke: #e8a93c; } .ink { fill: #eceef2; } .soft { fill: #9aa1ae; }
    }
"""


def draw(name: str) -> str:
    """Return the drawing of a journey: a column for each layer that it uses, a row for each function."""
    stations = STATIONS[name]
    lanes = sorted({each.lane for each in stations})
    xs = {lane: _LEFT + _LANE_WIDTH * number for number, lane in enumerate(lanes)}
    points = [(xs[each.lane], _TOP + _ROW_HEIGHT * row) for row, each in enumerate(stations)]
    texts = [_text_of(name, each) for each in stations]
    label_x = xs[lanes[-1]] + 20
    width = round(label_x + _CHARACTER_WIDTH * max(len(line) for lines in texts for line in lines) + _MARGIN)
    height = _TOP + _ROW_HEIGHT * len(stations)
    described = "; ".join(f"{first} in {second}" for first, second in texts)
    return "\n".join(
        (
            # The size keeps a wide page from enlarging it.
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'role="img" aria-labelledby="title desc">',
            f'  <title id="title">{_TITLES[name]}</title>',
            f'  <desc id="desc">{escape(described)}</desc>',
            f"  <style>{_STYLE}  </style>",
            f'  <rect class="panel" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10"/>',
            *(_draw_lane(LANES[lane], x, height) for lane, x in xs.items()),
            f'  <polyline class="path" points="{" ".join(f"{x},{y}" for x, y in points)}"/>',
            *(_draw_station(lines, label_x, x, y) for lines, (x, y) in zip(texts, points, strict=True)),
            "</svg>\n",
        )
    )


def _text_of(name: str, hop: Hop) -> tuple[str, str]:
    label = LABELS.get((name, hop))
    return (hop.function, hop.file) if label is None else (label, f"{hop.file} {hop.function}")


def _draw_lane(lane: str, x: int, height: int) -> str:
    return (
        f'  <text class="soft" transform="translate({x + 4} {_TOP - 22}) rotate(-45)">{lane}</text>\n'
        f'  <line class="lane" x1="{x}" y1="{_TOP - 18}" x2="{x}" y2="{height - _MARGIN}"/>'
    )


def _draw_station(lines: tuple[str, str], label_x: int, x: int, y: int) -> str:
    return (
        f'  <circle class="stop" cx="{x}" cy="{y}" r="6"/>\n'
        f'  <text class="mono ink" x="{label_x}" y="{y + 5}">{escape(lines[0])}</text>\n'
        f'  <text class="mono soft" x="{label_x}" y="{y + 24}">{escape(lines[1])}</text>'
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
