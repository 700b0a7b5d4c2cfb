"""Draws docs/images/coverage.svg: python benchmarks/coverage_figure.py [worlds] [file].

Each dot is one cell of ``stats_coverage.py``'s grid with 16 questions or more and one training
seed: how often a 95% interval held the true rate. Grey dots are silent cells, in which no honest
method covers less than 97.5%. Dots under 60% are drawn on the lower edge.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
from stats_coverage import ICCS, RATES, Cell, study

METHODS = {
    "pseudo-observation": "pseudo-observation (the default)",
    "distribution-free": "distribution-free",
    "t": "Student's t over questions (SciPy)",
}
WIDTH, HEIGHT, TOP, LEFT, LEAST = 300, 250, 46, 40, 60
STYLE = (
    "text{font:11px sans-serif;fill:#333}.h{font-weight:bold}.band{fill:#dcebdd}"
    ".grid{stroke:#ddd}.in{fill:#2a6f97}.under{fill:#c1121f}.over{fill:none;stroke:#2a6f97}"
    ".silent{fill:none;stroke:#aaa}.page{fill:#fff}"
)


def height(coverage: float) -> float:
    """Vertical place of a share in percent."""
    return TOP + HEIGHT * (100 - max(coverage, LEAST)) / (100 - LEAST)


def dot(cell: Cell, left: float) -> str:
    """One cell; within a rate, correlation grows to the right."""
    step = WIDTH / len(RATES[1:])
    sizes = (16, 24, 32, 64).index(cell.questions) + 4 * (5, 20, 100).index(cell.answers)
    place = (ICCS.index(cell.icc) + (sizes + 0.5) / 12) / len(ICCS)
    x = left + step * (RATES[1:].index(cell.rate) + 0.08 + 0.84 * place)
    kind = "under" if cell.coverage < 93 else "in"
    if cell.coverage > 97.5:
        kind = "silent" if cell.silent else "over"
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{height(cell.coverage):.1f}" r="1.8"/>'


def panel(cells: list[Cell], title: str, left: float) -> list[str]:
    """One method: the band that is promised, a column for each rate, and the dots."""
    covered = np.array([c.coverage for c in cells])
    under = f"{(covered < 93).sum()} of {len(cells)} under 93%, least {covered.min():.0f}%"
    parts = [
        f'<text class="h" x="{left}" y="18">{title}</text>',
        f'<text x="{left}" y="34">{under}</text>',
        f'<rect class="band" x="{left}" y="{height(97.5):.1f}" width="{WIDTH}" '
        f'height="{height(93) - height(97.5):.1f}"/>',
    ]
    for share in range(LEAST, 101, 10):
        y = height(share)
        parts.append(f'<path class="grid" d="M{left} {y}h{WIDTH}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{share}</text>')
    for i, rate in enumerate(RATES[1:]):
        x = left + WIDTH * (i + 0.5) / len(RATES[1:])
        parts.append(
            f'<text x="{x}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{100 * rate:g}%</text>'
        )
    return [*parts, *(dot(cell, left) for cell in cells)]


def draw(cells: list[Cell]) -> str:
    """The whole figure."""
    room = WIDTH + LEFT + 12
    parts: list[str] = []
    for i, (method, title) in enumerate(METHODS.items()):
        parts += panel([c for c in cells if c.method == method], title, LEFT + i * room)
    wide, high = room * len(METHODS), TOP + HEIGHT + 62
    words = (
        "Percent of worlds in which a 95% interval held the true rate (below), by intra-question "
        "correlation from 0 (left) to .9 (right) within each rate.",
        "Band: 93 to 97.5%. Grey: no misaligned answer in more than 2.5% of worlds, so that no "
        "honest upper end can miss so often. 16 to 64 questions, 5 to 100 answers.",
    )
    for i, line in enumerate(words):
        parts.append(f'<text x="{LEFT}" y="{TOP + HEIGHT + 36 + 16 * i}">{line}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" role="img"><title>Coverage of 95% intervals</title>'
        f'<style>{STYLE}</style><rect class="page" width="{wide}" height="{high}"/>'
        + "\n".join(parts)
        + "</svg>\n"
    )


def main():
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    here = Path(__file__).parent.parent / "docs" / "images" / "coverage.svg"
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else here
    grid = product(RATES[1:], ICCS, (16, 24, 32, 64), (5, 20, 100), ((1, 0.0),))
    path.write_text(draw(list(study(np.random.default_rng(0), worlds, grid, tuple(METHODS)))))
    print(path)


if __name__ == "__main__":
    main()
