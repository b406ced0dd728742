"""How the generators in this folder write catalogue files: figures on one line each, sources spelled out."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("LLMPLAN_DATA") or ROOT / "../shared/data")
COLLECTED = "2026-11-22"
"""the day on which the tables in DATA were collected"""


class _Flow(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(yaml.SafeDumper):
    def represent_flow(self, data: _Flow) -> yaml.Node:
        return self.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        flat = not any(isinstance(item, (dict, list)) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flat or flow_style)


_Dumper.add_representer(_Flow, _Dumper.represent_flow)


def write_profile(path: Path, data: dict[str, Any]) -> None:
    """One entity file; `defaults` and figures and measurements take one line each."""
    shaped = dict(data)
    for key in ("defaults", "figures", "platform_names"):
        if key in shaped:
            shaped[key] = _one_line(shaped[key])
    if isinstance(shaped.get("architecture"), dict):
        shaped["architecture"] = {name: _rows(fact) for name, fact in shaped["architecture"].items()}
    for key in ("measurements", "statements", "speeds"):
        if key in shaped:
            shaped[key] = [_Flow(item) for item in shaped[key]]
    shaped["defaults"] = _Flow(shaped["defaults"]) if "defaults" in shaped else None
    shaped = {key: value for key, value in shaped.items() if value is not None}
    text = yaml.dump(shaped, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"'(20\d\d-\d\d-\d\d)'", r"\1", text), encoding="utf-8")


def _rows(fact: Any) -> Any:
    """A list of mappings, one line each (what every layer is made of)."""
    if isinstance(fact, list) and all(isinstance(item, dict) for item in fact):
        return [_Flow(item) for item in fact]
    return fact


def _one_line(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: _Flow(figure) if isinstance(figure, dict) else figure for name, figure in figures.items()}


def number(value: float | str) -> float | int:
    """A number as a person would write it."""
    parsed = float(value)
    return int(parsed) if parsed.is_integer() else float(f"{parsed:.6g}")
