"""Draw the states of a feed reader from its table, ``core.feed.TRANSITIONS``.

``python tests/docs/feed_states.py`` writes docs/_static/feed-states.svg anew.
"""

from collections import defaultdict
from math import hypot
from pathlib import Path

from keyturn.core.feed import TRANSITIONS, State

DRAWING = Path(__file__).parents[2] / "docs" / "_static" / "feed-states.svg"

WIDTH, HEIGHT, RADIUS = 1040, 590, 58
CENTERS = {State.EMPTY: (220, 130), State.GAP: (220, 450), State.SNAPSHOT: (520, 290), State.FOLLOWING: (850, 290)}
BENDS = {
    (State.EMPTY, State.FOLLOWING): -90,
    (State.SNAPSHOT, State.GAP): -35,
    (State.GAP, State.SNAPSHOT): -35,
    (State.FOLLOWING, State.GAP): -150,
    (State.GAP, State.FOLLOWING): 75,
}
"""Distance of an arrow's middle from the straight line."""

LOOPS = {State.EMPTY: (0, -1), State.GAP: (-1, 0), State.SNAPSHOT: (0, -1), State.FOLLOWING: (1, 0)}
"""Side of a state on which its arrow to itself is drawn."""

_STYLE = """
    .panel { fill: #fbfaf6; stroke: #e4e0d5; }
    .state { fill: #ffffff; stroke: #cfc9ba; stroke-width: 2; }
    .complete { stroke: #2f74c8; stroke-width: 3; }
    .ink { fill: #23262d; font-size: 17px; font-weight: 600; }
    .label { fill: #6a6f7a; stroke: #fbfaf6; stroke-width: 6px; paint-order: stroke; font-size: 14px; }
    .line { stroke: #8c909a; fill: none; stroke-width: 2; } .head { fill: #8c909a; }
    text { font-family: "Inter", "Segoe UI", "Helvetica Neue", Helvetica, Arial, sans-serif; text-anchor: middle; }
    @media (prefers-color-scheme: dark) {
      .panel { fill: #15181e; stroke: #2b303a; }
      .state { fill: #1d2129; stroke: #3d4450; } .complete { stroke: #5b9bea; }
      .ink { fill: #eceef2; } .label { fill: #9aa1ae; stroke: #15181e; }
      .line { stroke: #7b8290; } .head { fill: #7b8290; }
    }
"""

Point = tuple[float, float]


def draw() -> str:
    """Return the drawing as SVG. Its description lists every transition."""
    arrows: dict[tuple[State, State], list[str]] = defaultdict(list)
    sentences = list[str]()
    for state, row in TRANSITIONS.items():
        for event, (target, action) in row.items():
            arrows[state, target].append(f"{event.value}: {action.value}")
            sentences.append(f"{state.value}, {event.value}: {action.value}, then {target.value}.")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'aria-labelledby="title desc">',
            '  <title id="title">States of a feed reader</title>',
            f'  <desc id="desc">{" ".join(sentences)}</desc>',
            f"  <style>{_STYLE}  </style>",
            '  <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path class="head" d="M0 0 L8 4 L0 8 Z"/></marker>',
            f'  <rect class="panel" x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="18"/>',
            *(_arrow(*ends, labels) for ends, labels in arrows.items()),
            *(_state(state) for state in State),
            "</svg>\n",
        ]
    )


def _state(state: State) -> str:
    x, y = CENTERS[state]
    kind = "state complete" if state is State.FOLLOWING else "state"
    return (
        f'  <circle class="{kind}" cx="{x}" cy="{y}" r="{RADIUS}"/>'
        f'<text class="ink" x="{x}" y="{y + 6}">{state.value}</text>'
    )


def _arrow(start: State, end: State, labels: list[str]) -> str:
    path, (x, y) = _loop(start) if start is end else _curve(start, end)
    first = y + 5 - 9 * (len(labels) - 1)
    lines = "".join(
        f'<text class="label" x="{x:.0f}" y="{first + 18 * at:.0f}">{each}</text>' for at, each in enumerate(labels)
    )
    return f'  <path class="line" marker-end="url(#head)" d="{path}"/>{lines}'


def _loop(state: State) -> tuple[str, Point]:
    (x, y), (across, down) = CENTERS[state], LOOPS[state]
    first = _edge((x, y), (x + 40 * across - 22 * down, y + 40 * down + 22 * across))
    last = _edge((x, y), (x + 40 * across + 22 * down, y + 40 * down - 22 * across))
    handles = (
        (x + 130 * across - 45 * down, y + 130 * down + 45 * across),
        (x + 130 * across + 45 * down, y + 130 * down - 45 * across),
    )
    label = x + 100 * across + 125 * abs(down), y + 95 * down - 85 * across
    return f"M{_at(first)} C{_at(handles[0])} {_at(handles[1])} {_at(last)}", label


def _curve(start: State, end: State) -> tuple[str, Point]:
    (x0, y0), (x1, y1) = CENTERS[start], CENTERS[end]
    bend, length = BENDS.get((start, end), 0), hypot(x1 - x0, y1 - y0)
    handle = (x0 + x1) / 2 - 2 * bend * (y1 - y0) / length, (y0 + y1) / 2 + 2 * bend * (x1 - x0) / length
    label = (x0 + x1) / 4 + handle[0] / 2, (y0 + y1) / 4 + handle[1] / 2
    return f"M{_at(_edge((x0, y0), handle))} Q{_at(handle)} {_at(_edge((x1, y1), handle))}", label


def _edge(center: Point, toward: Point) -> Point:
    x, y = toward[0] - center[0], toward[1] - center[1]
    scale = (RADIUS + 4) / hypot(x, y)
    return center[0] + x * scale, center[1] + y * scale


def _at(point: Point) -> str:
    return f"{point[0]:.0f} {point[1]:.0f}"


if __name__ == "__main__":
    DRAWING.write_text(draw())
