"""Coefficients that were fitted, as files: with bands from rows that were left out, and as a table of errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from measured_rows import QUANTITIES, Case

from llmplan.catalogs.calibration_text import document_text
from llmplan.perf.calibration import ANY, COEFFICIENT_NAMES, EXTRAPOLATION_WIDENING, generation_of

Key = tuple[str, str]
"""engine and GPU generation"""
Residual = tuple[Case, str, float]
"""row, quantity, measured / predicted"""
STATED: dict[str, tuple[float, str]] = {
    "network_latency_s": (2e-5, "RDMA message between hosts; no row of the table tells"),
    "network_efficiency": (0.7, "achieved share of a network's line rate; no row of the table tells"),
    "host_memory_efficiency": (0.8, "CPU decoders reach 70 to 90 % of the host's memory bandwidth"),
    "pcie_efficiency": (0.8, "achieved share of the PCIe line rate for large copies"),
}
MIN_BAND_ROWS = 40


def band(residuals: Sequence[Residual], key: Key, quantity: str, family: str) -> tuple[float, float, int]:
    """10th and 90th percentile of measured / predicted for the narrowest set of rows that is large enough."""
    engine, generation = key
    own = [r for r in residuals if r[1] == quantity and r[0].family == family]
    of_engine = [r for r in own if engine in (ANY, r[0].replica.engine.calibration_id)]
    exact = [r for r in of_engine if generation in (ANY, generation_of(r[0].replica.gpu))]
    chosen = next((rows for rows in (exact, of_engine, own) if len(rows) >= MIN_BAND_ROWS), own)
    low, high = (float(edge) for edge in np.percentile([ratio for _, _, ratio in chosen], [10, 90]))
    exponent = 1.0 if chosen is exact else EXTRAPOLATION_WIDENING
    return min(1.0, low) ** exponent, max(1.0, high) ** exponent, len(chosen)


def write(fitted: dict[Key, dict[str, float]], residuals: Sequence[Residual], cases: Sequence[Case], out: Path) -> None:
    """One YAML file a calibration."""
    today = datetime.now(UTC).date()
    out.mkdir(parents=True, exist_ok=True)
    for key, values in fitted.items():
        engine, generation = key
        used = [
            case
            for case in cases
            if engine in (ANY, case.replica.engine.calibration_id)
            and generation in (ANY, generation_of(case.replica.gpu))
        ]
        figures: dict[str, Any] = {"rows": len(used)}
        for name in COEFFICIENT_NAMES:
            figures[name] = (
                {"value": values[name], "source": "assumption", "kind": "assumed", "note": STATED[name][1]}
                if name in STATED
                else float(f"{values[name]:.4g}")
            )
        for family, start in (("dense", ""), ("moe", "moe_")):
            for quantity in ("ttft", "tpot", "throughput"):
                low, high, rows = band(residuals, key, quantity, family)
                figures |= {f"{start}{quantity}_low_ratio": round(low, 3)}
                figures |= {f"{start}{quantity}_high_ratio": round(high, 3), f"{start}{quantity}_rows": rows}
        figures |= untold(used, out / f"{engine}-{generation}.yaml")
        document = {
            "id": f"{engine}-{generation}",
            "engine": engine,
            "generation": generation,
            "fitted": today,
            "defaults": {"source": "fit", "as_of": today, "kind": "derived"},
            "figures": figures,
            "sources": _kept_sources(figures, out / f"{engine}-{generation}.yaml")
            | {
                "fit": {
                    "title": "llmplan scripts/fit_calibration.py on published measurements: "
                    + ", ".join(sorted({case.source for case in used})),
                    "retrieved": today,
                    "locator": "bands: rows whose whole GPU or whole model was left out",
                },
                "assumption": {
                    "title": "llmplan: round value within the range that vendors and users report",
                    "retrieved": today,
                },
            },
        }
        (out / f"{engine}-{generation}.yaml").write_text(document_text(document), encoding="utf-8")


def _kept_sources(figures: dict[str, Any], path: Path) -> dict[str, Any]:
    """Sources of the file as it was that figures kept from it still name."""
    named = {figure["source"] for figure in figures.values() if isinstance(figure, dict)} - {"assumption"}
    kept = yaml.safe_load(path.read_text(encoding="utf-8"))["sources"] if named else {}
    return {name: kept[name] for name in named}


def untold(used: Sequence[Case], path: Path) -> dict[str, Any]:
    """What rows of lone sequences that nothing was sampled for do not tell: how many ran at once, and a server's work
    for each, which stays as the file has it."""
    if any(case.client or case.load.value > 1.0 for case in used) or not path.is_file():
        return {}
    before = yaml.safe_load(path.read_text(encoding="utf-8"))["figures"]
    return {"most_seqs": 1, "sequence_s": before["sequence_s"]}


def summary(residuals: Sequence[Residual]) -> str:
    """Median, mean and 90th percentile of the absolute error in %, by engine and kind of model."""
    lines = [f"{'':28}" + "".join(f"{name:>30}" for name in QUANTITIES)]
    sets: list[tuple[str, Callable[[Case], bool]]] = [
        ("all", lambda case: True),
        ("dense", lambda case: case.family == "dense"),
        ("moe", lambda case: case.family == "moe"),
    ]
    engines = sorted({case.replica.engine.calibration_id for case, _, _ in residuals})
    sets += [(engine, lambda case, engine=engine: case.replica.engine.calibration_id == engine) for engine in engines]
    for label, belongs in sets:
        cells = ""
        for quantity in QUANTITIES:
            errors = [abs(1.0 / r - 1.0) * 100.0 for case, name, r in residuals if name == quantity and belongs(case)]
            cells += f"{_spread(errors):>30}"
        lines.append(f"{label:28}{cells}")
    return "\n".join(lines)


def _spread(errors: Sequence[float]) -> str:
    if not errors:
        return "-"
    return f"{np.median(errors):.1f}/{np.mean(errors):.1f}/{np.percentile(errors, 90):.0f} ({len(errors)})"
