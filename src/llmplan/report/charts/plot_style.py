"""How matplotlib draws: shapes that differ without colour, and colours that differ for the colour-blind."""

from __future__ import annotations

from typing import Any

INK = "#222222"
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8a6d00", "#666666")
"""after Okabe and Ito, Color Universal Design (2008); yellow is darker, and the last one grey"""
MARKERS = ("o", "^", "s", "D", "P", "X", "*", "v")
DASHES: tuple[Any, ...] = (
    "-", (0, (6, 2)), (0, (6, 2, 1, 2)), (0, (1.5, 1.5)), (0, (9, 3)), (0, (3, 1.5, 1, 1.5, 1, 1.5)), (0, (3, 3)),
    (0, (9, 2, 1, 2)),
)  # fmt: skip
RULES: tuple[Any, ...] = ((0, (1, 2)), (0, (4, 2, 1, 2)), (0, (7, 2)), (0, (2, 3)))
SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "llmplan",
    "text.parse_math": False,
    "text.usetex": False,
    "path.simplify": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.7,
}
