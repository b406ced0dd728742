"""Requests as a real engine served them, read back from `measured/`."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from llmplan.spec.requests import Floats, Integers

MEASURED = Path(__file__).parent / "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One load, put once: columns by request, in the order in which they were sent. `clients`: how many there were in
    a closed loop; None: requests came when they came, whatever became of the others."""

    load: str
    run: str
    clients: int | None
    arrival_s: Floats
    input_tokens: Integers
    output_tokens: Integers
    ttft_s: Floats
    e2e_s: Floats
    preemptions: int = 0

    @property
    def tpot_s(self) -> Floats:
        """Time of each output token after the first, by request."""
        return (self.e2e_s - self.ttft_s) / (self.output_tokens - 1)

    @property
    def output_tokens_per_s(self) -> float:
        """From the first arrival to the last token."""
        length_s = float((self.arrival_s + self.e2e_s).max() - self.arrival_s.min())
        return float(self.output_tokens.sum()) / length_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What was measured on one day: how the engine was set up, and every run."""

    about: Mapping[str, Any]
    runs: tuple[Run, ...]

    def of(self, load: str) -> tuple[Run, ...]:
        """All runs of a load."""
        return tuple(run for run in self.runs if run.load == load)


def recordings() -> list[str]:
    """Names of what is recorded, oldest first."""
    return sorted(path.stem for path in MEASURED.glob("*.yaml"))


def read(name: str) -> Recording:
    """One recording: `<name>.yaml` says how, `<name>.csv` what."""
    about = yaml.safe_load((MEASURED / f"{name}.yaml").read_text(encoding="utf-8"))
    rows: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    with (MEASURED / f"{name}.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            rows[row["load"], row["run"]].append(row)
    runs = tuple(
        Run(
            load=load,
            run=run,
            clients=about["loads"][load].get("clients"),
            arrival_s=np.array([float(row["arrival_s"]) for row in found]),
            input_tokens=np.array([int(row["input_tokens"]) for row in found]),
            output_tokens=np.array([int(row["output_tokens"]) for row in found]),
            ttft_s=np.array([float(row["ttft_s"]) for row in found]),
            e2e_s=np.array([float(row["e2e_s"]) for row in found]),
        )
        for (load, run), found in rows.items()
    )
    return Recording(about=about, runs=runs)
