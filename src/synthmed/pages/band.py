"""A number on a line: the synthetic images as a dot with their interval, real against real as a band."""

import html


def band(made: tuple[float, float | None, float | None], floor: tuple[float, float], *, told: str) -> str:
    """An ``<svg>`` as wide as what it stands in, on a scale of its own.

    Args:
        made: where the dot stands, and the ends of the line through it; None = no line.
        floor: ends of the band.
        told: what it shows, for those who do not see it.
    """
    ends = [end for end in (*floor, *made) if end is not None]
    first, span = min(ends), (max(ends) - min(ends)) or 1.0
    left, right, dot, *line = (4 + 92 * (end - first) / span for end in ends)
    shapes = [
        '<line x1="0" x2="100" y1="9" y2="9" class="axis"/>',
        f'<rect x="{left:.1f}" width="{max(1.0, right - left):.1f}" y="2" height="14" class="floor"/>',
        *([f'<line x1="{line[0]:.1f}" x2="{line[1]:.1f}" y1="9" y2="9" class="made"/>'] if len(line) == 2 else []),
        f'<line x1="{dot:.1f}" x2="{dot:.1f}" y1="9" y2="9" class="dot"/>',
    ]
    named = f'role="img" aria-label="{html.escape(told)}"'
    return f'<svg class="band" {named} viewBox="0 0 100 18" preserveAspectRatio="none">{"".join(shapes)}</svg>'
