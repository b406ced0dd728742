"""How often the sign of a format's speed change is right, and how far the ratio is off, against published ratios.

    python scripts/format_accuracy.py

Each row of quant_speed.csv (in the folder named by LLMPLAN_DATA) states the speed of one number format over another on
the same machine under the same load. Both are predicted with the shipped calibrations, which were not fitted to these
ratios, and the ratio of the two predictions is compared with the published one. Rows are left out by the rules of
`doubt`, never for what they say.
"""

from __future__ import annotations

import csv
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import row_names
from make_format_profiles import OTHER_MACHINE, SPEED_METHODS, gpu_of, requests_of
from measured_rows import data_folder

from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.catalogs.engines import version_key
from llmplan.memory import budget, kv_format, weight_format
from llmplan.perf import estimate, select_calibration
from llmplan.perf.rates import computes_natively
from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
from llmplan.plan.hosts import host_for
from llmplan.plan.load import Load
from llmplan.plan.outcome import Rejection
from llmplan.planner.format_advice import side
from llmplan.spec.catalog import Catalog
from llmplan.spec.engine import EngineSpec, FormatSupport
from llmplan.spec.formats import WEIGHT_FORMATS
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.workload import Lengths

MODELS = {
    "LLaMA-v2-7B": "meta-llama/Llama-2-7b-hf", "Llama3.1-8B": "meta-llama/Llama-3.1-8B-Instruct",
    "Meta-Llama-3-8B": "meta-llama/Llama-3.1-8B-Instruct", "Llama3.1-70B": "meta-llama/Llama-3.1-70B-Instruct",
    "Qwen3-8B": "Qwen/Qwen3-8B",
}  # fmt: skip
"""models of equal architecture share an entry: only shapes matter for speed"""
FAMILY = re.compile(r"(?:meta-llama|RedHatAI)/(?:Meta-)?(Llama-3\.1-8B)-Instruct")
NATIVE_FROM = {"fp8": (8, 9), "int8": (7, 5)}
ANY_DAY = date(2026, 11, 22)
"""prices are not read"""
BOTH = "Weight = fp8, KV Cache = fp8"
PLAIN_KERNEL = "plain gptq kernel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One published ratio beside the predicted one."""

    method: str
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """Predicted over measured, less 1."""
        return self.predicted / self.measured - 1.0

    @property
    def sign_right(self) -> bool | None:
        """Whether both are faster or both slower; None where the measurement is within the noise of 1."""
        seen = side(self.measured)
        return None if seen is None else side(self.predicted) == seen


def doubt(row: dict[str, str]) -> str | None:
    """Why a row is not compared; None for one that is."""
    if not row["kind"].startswith("speed") or _number(row["speedup"]) is None:
        return "no ratio as one number"
    if row["method"] in ("BF16", "FP16"):
        return "the baseline itself"
    if "sparsity" in row["method"] or "W4A8" in row["method"]:
        return "a method that is not described here"
    if "bits" in row["notes"]:
        return "bits not stated"
    if not (row["isl"] and row["osl"]) or requests_of(row) is None:
        return "lengths or load not stated"
    return None


def read(folder: Path) -> tuple[list[Ratio], Counter[str]]:
    """Every usable row with its prediction, and how many were left out for what."""
    with (folder / "quant_speed.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["kind"].startswith("speed")]
    bench, found, left = _Bench(), [], Counter[str]()
    for row in rows:
        why, outcome = doubt(row), None
        if why is None:
            outcome = bench.ratio(row)
            why = outcome if isinstance(outcome, str) else None
        if why is None and isinstance(outcome, Ratio):
            found.append(outcome)
        else:
            left[why or ""] += 1
    return found, left


class _Bench:
    """Catalogue, models and coefficients, each read once."""

    def __init__(self) -> None:
        self._catalog: Catalog = load_catalog((packaged_profiles(),), price_date=ANY_DAY)

    def ratio(self, row: dict[str, str]) -> Ratio | str:
        """Both sides predicted, or why not."""
        gpu_id = gpu_of(row)
        if gpu_id is None:
            return "a GPU that is not in the catalogue"
        name = _model(row["model"])
        if name not in self._catalog.models:
            return "a model that is not in the catalogue"
        gpu, weights = self._catalog.gpus[gpu_id], _weights(row["method"])
        if weights is None:
            return "a format that is not described here"
        model = self._catalog.models[name]
        wide = Replica(
            model=model, gpu=gpu, host=host_for(gpu, self._catalog.hosts), engine=self._engine(row["engine"]),
            parallel=Parallelism(tp=2 if OTHER_MACHINE in row["notes"] and "70B" in row["model"] else 1),
            weights=weight_format("bf16" if gpu.supports("bf16") else "fp16"), kv=kv_format("bf16"),
            settings=self._settings(row, gpu),
        )  # fmt: skip
        narrow = replace(
            wide, weights=weight_format(weights), kv=kv_format(row["kv"] or "bf16"), parallel=Parallelism(tp=1)
        )
        speeds = self._speed(narrow, row), self._speed(wide, row)
        if None in speeds:
            return "does not fit"
        return Ratio(
            method=_method(narrow, row),
            measured=float(row["speedup"]),
            predicted=float(speeds[0] or 0) / float(speeds[1] or 1),
        )

    def _speed(self, replica: Replica, row: dict[str, str]) -> float | None:
        """Output tokens per second of each GPU."""
        memory = budget(replica)
        if isinstance(memory, Rejection):
            return None
        load = Load(
            kind="burst", value=float(requests_of(row) or 1), input_tokens=Lengths.fixed(float(row["isl"])),
            output_tokens=Lengths.fixed(float(row["osl"].lstrip("~"))),
        )  # fmt: skip
        calibration = select_calibration(self._catalog.calibrations, replica.engine, replica.gpu)
        found = estimate(replica, memory, load, calibration)
        return found.output_tokens_per_s.mid / replica.parallel.gpus

    def _engine(self, text: str) -> EngineSpec:
        """The profile of that version or the last before it, running every format."""
        engine_id = row_names.engine_id(text)
        version = version_key(next(iter(re.findall(r"\d+\.\d+[\d.]*", text)), ""))
        known = sorted(
            (version_key(ref.partition("@")[2]), ref)
            for ref in self._catalog.engines
            if ref.startswith(f"{engine_id}@")
        )
        older = [ref for key, ref in known if key and version and key <= version]
        engine = self._catalog.engines[older[-1] if older else next(ref for key, ref in known if key)]
        every = {
            each.id: FormatSupport(min_compute_capability=(7, 0), native_from=NATIVE_FROM.get(each.id))
            for each in WEIGHT_FORMATS
        }
        return replace(engine, weight_formats=every)

    def _settings(self, row: dict[str, str], gpu: GpuSpec) -> EngineSettings:
        """The engine's own defaults for a context that admits the requests with room for their spread."""
        engine = self._engine(row["engine"])
        length = 2 * int(float(row["isl"]) + float(row["osl"].lstrip("~"))) + 256
        default = engine.scheduler_default(gpu.memory_bytes, gpu.architecture)
        return EngineSettings(
            max_model_len=length, max_num_seqs=default.max_num_seqs,
            max_num_batched_tokens=max(default.step_tokens(length), default.max_num_seqs),
            memory_fraction=0.9, block_tokens=16,
        )  # fmt: skip


def _method(replica: Replica, row: dict[str, str]) -> str:
    """What is compared: bits and arithmetic of the weights, cache, and the kernel where it is another one."""
    native = "" if computes_natively(replica) or replica.weights.weight_only else ", weight-only"
    parts = [] if replica.weights.family == "float" else [f"{replica.weights.id} weights{native}"]
    if row["kv"]:
        fast = replica.gpu.supports(replica.kv.compute)
        parts.append(f"{replica.kv.id} KV cache" + ("" if fast else " without FP8 arithmetic"))
    return " + ".join(parts) + (", plain GPTQ kernel" if PLAIN_KERNEL in row["notes"] else "")


def _model(model: str) -> str:
    family = FAMILY.match(model)
    return MODELS.get(model, f"meta-llama/{family[1]}-Instruct" if family else model)


def _weights(method: str) -> str | None:
    """The weight format of a method: 16 bit where only the cache is another one."""
    if method == BOTH:
        return "fp8"
    found = SPEED_METHODS.get(method)
    return "bf16" if found == "kv-fp8" else found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def table(found: Sequence[Ratio]) -> list[str]:
    """A Markdown table: signs right, measured and predicted median ratio, median and 90th percentile of the error."""
    lines = [
        "| format over 16 bit | rows | sign right | measured | predicted | error of the ratio, median / p90 |",
        "|---|---|---|---|---|---|",
    ]
    methods = sorted({each.method for each in found})
    groups = [("all", list(found)), *((name, [each for each in found if each.method == name]) for name in methods)]
    return lines + [f"| {name} | {len(rows)} | " + " | ".join(_cells(rows)) + " |" for name, rows in groups if rows]


def _cells(rows: Sequence[Ratio]) -> Iterable[str]:
    signed = [each.sign_right for each in rows if each.sign_right is not None]
    errors = sorted(abs(each.error) for each in rows)
    yield f"{sum(signed)} of {len(signed)}" if signed else "–"
    yield _spread([each.measured for each in rows])
    yield _spread([each.predicted for each in rows])
    yield f"{statistics.median(errors):.0%} / {errors[int(0.9 * (len(errors) - 1))]:.0%}"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f}× ({min(values):.2f}–{max(values):.2f})"


def lines(folder: Path) -> list[str]:
    """The section of the accuracy page."""
    found, left = read(folder)
    without = ", ".join(f"{count} {why}" for why, count in left.most_common())
    return [
        "Speed of a number format over 16 bit on the same machine under the same load: published ratios beside",
        "the ratio of two predictions. Nothing is fitted to them. A measured ratio within 2 % of 1 has no sign.",
        "",
        *table(found),
        "",
        f"{len(found)} of {len(found) + left.total()} rows of the table; left out: {without}.",
    ]


def main() -> int:
    """Print the section."""
    folder = data_folder()
    if folder is None or not (folder / "quant_speed.csv").is_file():
        print("no quant_speed.csv: set LLMPLAN_DATA to the folder that has it", file=sys.stderr)
        return 1
    print("\n".join(lines(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
