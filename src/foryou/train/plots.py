"""How are figures drawn without a library in the page? Bars and lines, as a few hundred bytes of SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, ROW, PAD = 640, 190, 26, 70
HEIGHT = 180


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with its interval; `faint` = for comparison."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    faint: bool = False


def bars(title: str, rows: Sequence[Bar], form: str = ".4f") -> str:
    """Draw horizontal bars from 0, each with its value, and its interval as a whisker."""
    most = max([row.high if row.high is not None else row.value for row in rows] + [1e-12])
    scale = (WIDTH - LABEL - PAD) / most
    parts = []
    for place, row in enumerate(rows):
        y = place * ROW
        parts.append(f'<text x="{LABEL - 8}" y="{y + 17}" text-anchor="end">{escape(row.label)}</text>')
        kind = "faint" if row.faint else "bar"
        parts.append(
            f'<rect class="{kind}" x="{LABEL}" y="{y + 5}" width="{max(1, row.value * scale):.1f}" height="16"/>'
        )
        end = row.value
        if row.low is not None and row.high is not None:
            a, b = LABEL + row.low * scale, LABEL + row.high * scale
            parts.append(f'<path class="whisker" d="M{a:.1f} {y + 13}H{b:.1f}M{a:.1f} {y + 9}v8M{b:.1f} {y + 9}v8"/>')
            end = max(end, row.high)
        parts.append(f'<text x="{LABEL + end * scale + 6:.1f}" y="{y + 17}">{row.value:{form}}</text>')
    return _figure(title, len(rows) * ROW + 4, parts)


def line(title: str, points: Sequence[tuple[str, float]], form: str = ".3f") -> str:
    """Draw a line over points in order, each with its label below and its value above."""
    most = max([value for _, value in points] + [1e-12])
    step = (WIDTH - 2 * PAD) / max(1, len(points) - 1)
    places = [(PAD + n * step, HEIGHT - 40 - value / most * (HEIGHT - 80)) for n, (_, value) in enumerate(points)]
    parts = ['<path class="line" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + '"/>']
    for (x, y), (label, value) in zip(places, points, strict=True):
        parts.append(f'<circle class="bar" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{value:{form}}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(label)}</text>')
    return _figure(title, HEIGHT, parts)


def _figure(title: str, height: float, parts: Sequence[str]) -> str:
    said = escape(title)
    return (
        f'<figure><figcaption>{said}</figcaption><svg role="img" aria-label="{said}" viewBox="0 0 {WIDTH} {height:g}">'
        f"{''.join(parts)}</svg></figure>"
    )
