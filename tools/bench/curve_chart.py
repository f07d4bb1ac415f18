"""A line chart as SVG without any package: some curves of loss over time and one level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 48, 52
STYLE = """text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:16px;font-weight:600}
.grid{stroke:#e3e3e3}.level{stroke:#555;stroke-dasharray:5 4}
.curve{fill:none;stroke-width:2;stroke-linejoin:round}"""


@dataclass(frozen=True)
class Curve:
    """Points (x, y) in the order of x; curves of one name share a colour and one label."""

    name: str
    colour: str
    points: list[tuple[float, float]]


def ticks(low: float, high: float, count: int) -> list[float]:
    """Returns about `count` round numbers within low ... high."""
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    return [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]


def curve_chart(
    curves: list[Curve], *, title: str, x_label: str, y_label: str, level: tuple[float, str]
) -> str:
    """Draws the curves over a common grid, labels in a legend, and a dashed line at `level`."""
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points] + [level[0]]
    x_high = max(xs) * 1.02
    # The first, high losses would press the rest flat.
    y_low, y_high = min(ys), min(max(ys), 1.6 * min(ys))
    y_low, y_high = y_low - 0.08 * (y_high - y_low), y_high + 0.05 * (y_high - y_low)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (min(max(y, y_low), y_high) - y_low) / (y_high - y_low)
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * x / x_high,
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share,
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
    ]
    for value in ticks(0, x_high, 8):
        x, bottom = place(value, y_low)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom:.1f}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{value:g}</text>'
        )
    for value in ticks(y_low, y_high, 6):
        left, y = place(0, value)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    left, y = place(0, level[0])
    parts.append(
        f'<line class="level" x1="{left}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    )
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{y + 15:.1f}" text-anchor="end">{escape(level[1])}</text>'
    )
    for curve in curves:
        points = [(x, y) for x, y in curve.points if y <= y_high]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline class="curve" stroke="{curve.colour}" points="{line}"/>')
    for row, (name, colour) in enumerate({c.name: c.colour for c in curves}.items()):
        y = TOP + 18 + 20 * row
        x = WIDTH - RIGHT - 210
        parts.append(
            f'<line class="curve" stroke="{colour}" x1="{x}" x2="{x + 24}" y1="{y}" y2="{y}"/>'
        )
        parts.append(f'<text x="{x + 32}" y="{y + 4}">{escape(name)}</text>')
    middle = (HEIGHT - BOTTOM + TOP) / 2
    parts.append(
        f'<text x="{(WIDTH + LEFT - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
    )
    parts.append(
        f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text></svg>\n"
    )
    return "\n".join(parts)
