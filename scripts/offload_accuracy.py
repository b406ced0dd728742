"""How well work on the host is predicted: every row of offload.csv, predicted or declined with the reason.

    python scripts/offload_accuracy.py [--host-memory-efficiency F]

The table is found in the folder named by `LLMPLAN_DATA` (default `../shared/data` beside the repository).
`markdown_lines` is the same as a section of docs/accuracy.md. Rules read what a row says of its machine; none names a
source. The two constants of `llmplan.perf.offload` come from four of these rows.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import re
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from measured_rows import REPO, data_folder

from llmplan import memory, perf
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.plan.deployment import EngineSettings, Offload, Parallelism, Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import Rejection
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.host import HostSpec
from llmplan.spec.model import LayerGroup, ModelSpec, MoeFeedForward
from llmplan.spec.workload import Lengths

MODELS = (
    ("DeepSeek-V3/R1 671B", "deepseek-ai/DeepSeek-R1", "gguf-q4_k_m"),
    ("gpt-oss-120b", "openai/gpt-oss-120b", "gguf-mxfp4_moe"),
    ("Meta-Llama-3-70B", "meta-llama/Llama-3.3-70B-Instruct", "bf16"),
)
GPUS = (("4090", "rtx-4090-24gb"), ("3090", "rtx-3090-24gb"), ("GH200", "gh200-96gb"))
HOSTS = (
    ("2x Xeon Gold 6454S", "xeon-2s-ddr5", 1.0), ("Xeon Gold 6454S 2x32", "xeon-2s-ddr5", 1.0),
    ("Xeon Gold 6454S 32", "xeon-2s-ddr5", 0.5), ("Ryzen", "workstation-ddr4-2ch", 1.0),
    ("Grace", "gh200-1gpu", 1.0),
)  # fmt: skip
"""What a row says of its CPU, the host profile, and the share of its memory channels and cores."""
UNSTATED_HOST = "workstation-ddr5-2ch"
OUTPUT_TOKENS = 300.0
QUANTITIES = ("decode", "prefill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One row, predicted: what was measured and what comes out [tokens/s], or the reason why not."""

    number: int
    row: Mapping[str, str]
    declined: str = ""
    note: str = ""
    measured: Mapping[str, float] | None = None
    predicted: Mapping[str, float] | None = None

    def error(self, quantity: str) -> float | None:
        """Predicted over measured, less one."""
        if not self.measured or not self.predicted or quantity not in self.measured:
            return None
        return self.predicted[quantity] / self.measured[quantity] - 1.0

    @property
    def label(self) -> str:
        """`#6 DeepSeek-V3/R1 671B on RTX 4090(D) 24GB: ...`."""
        return f"#{self.number} {self.row['model']} on {self.row['gpu']}: {self.row['offload_setting']}"


def read_rows(folder: Path) -> list[Mapping[str, str]]:
    """The table."""
    with (folder / "offload.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def score(folder: Path, host_memory_efficiency: float | None = None) -> list[Scored]:
    """Every row of the table in order."""
    catalog = load_catalog((packaged_profiles(),), price_date=datetime.date.max)
    return [
        _scored(number, row, catalog, host_memory_efficiency) for number, row in enumerate(read_rows(folder), start=2)
    ]


def doubt(row: Mapping[str, str]) -> str:
    """Why a row cannot be predicted, from what it says; empty for one that can."""
    if not any(name in row["model"] for name, _, _ in MODELS):
        return "a model that is not named, not in the catalogue, or an average over several"
    if not any(name in row["gpu"] for name, _ in GPUS):
        return "GPU not stated"
    if not measured_of(row):
        return "no speed stated as one number"
    if "int8" in row["quantization"]:
        return "kernels on AMX tiles: no host profile states that speed"
    if "fits GPU" in row["offload_setting"]:
        return "nothing is offloaded"
    if offload_words(row) is None:
        return "does not say what is on the host"
    if _pages(row):
        return "the model does not fit the host's memory: it pages from disk"
    return ""


def _pages(row: Mapping[str, str]) -> bool:
    """Whether the source says that the model was read from disk while it ran."""
    return "paging" in row["notes"] or "see previous note" in row["notes"]


def measured_of(row: Mapping[str, str]) -> dict[str, float]:
    """Tokens per second; the middle of a range."""
    found = {}
    for quantity, column in (("decode", "decode_tok_s"), ("prefill", "prefill_tok_s")):
        numbers = [float(text) for text in re.findall(r"\d+(?:\.\d+)?", row[column])]
        if numbers:
            found[quantity] = statistics.mean(numbers)
    if float(row["prompt_tokens"] or 0) < 100:
        found.pop("prefill", None)
    return found


def offload_words(row: Mapping[str, str]) -> tuple[str, float] | None:
    """What is on the host, and how much: layers, layers with experts, or a share of the GPU's memory for weights."""
    text = row["offload_setting"]
    if found := re.search(r"--n-cpu-moe (\d+)", text):
        return "experts", float(found[1])
    if "llama.cpp" in row["engine"]:
        return None
    if re.search(r"experts on CPU|\d experts", text):
        return "experts", 1e6
    if found := re.search(r"trigger_percent (0\.\d+)", text):
        return "weights", float(found[1])
    return None


def _scored(number: int, row: Mapping[str, str], catalog: Catalog, efficiency: float | None) -> Scored:
    reason = doubt(row)
    if reason:
        return Scored(number=number, row=row, declined=reason)
    replica, note = replica_of(row, catalog)
    budget = memory.budget(replica)
    if isinstance(budget, Rejection):
        return Scored(number=number, row=row, declined=f"predicted not to fit: {budget.reason}")
    calibration = perf.select_calibration(catalog.calibrations, replica.engine, replica.gpu)
    if efficiency is not None:
        calibration = _with(calibration, host_memory_efficiency=efficiency)
    load = Load(
        kind="concurrency",
        value=1.0,
        input_tokens=Lengths.fixed(max(1.0, float(row["prompt_tokens"] or 500))),
        output_tokens=Lengths.fixed(float(row["output_tokens"] or OUTPUT_TOKENS)),
    )
    found = perf.estimate(replica, budget, load, calibration)
    predicted = {"decode": 1.0 / found.tpot_s.mid, "prefill": load.input_tokens.mean / found.ttft_s.mid}
    return Scored(number=number, row=row, note=note, measured=measured_of(row), predicted=predicted)


def _with(calibration: Calibration, **coefficients: float) -> Calibration:
    return replace(calibration, coefficients={**calibration.coefficients, **coefficients})


def replica_of(row: Mapping[str, str], catalog: Catalog) -> tuple[Replica, str]:
    """The row's machine, as far as it is stated, and what was assumed."""
    words = offload_words(row)
    assert words is not None
    kind, amount = words
    name, form = next((name, form) for word, name, form in MODELS if word in row["model"])
    model = _with_experts(catalog.models[name], row["offload_setting"])
    gpu = catalog.gpus[next(gpu for word, gpu in GPUS if word in row["gpu"])]
    gpus = int(found[1]) if (found := re.match(r"(\d)x ", row["gpu"])) else 1
    host, note = host_of(row, catalog, gpus)
    engine = catalog.engines["vllm" if kind == "weights" else "llama-cpp"]
    weights = memory.weight_format(form, model)
    ubatch = int(found[1]) if (found := re.search(r"-ub (\d+)", row["offload_setting"])) else None
    offload = Offload(kind="experts", host_layers=min(int(amount), model.layer_count))
    parallel = Parallelism(pp=gpus)
    if kind == "weights":
        whole = memory.resident_weight_bytes_per_gpu(model, weights, parallel, engine)
        offload = Offload(kind="weights", host_weight_bytes=round(whole - amount * gpu.memory_bytes))
    return Replica(
        model=model,
        gpu=gpu,
        host=host,
        engine=engine,
        parallel=parallel,
        weights=weights,
        kv=memory.kv_format("auto", model),
        settings=EngineSettings(
            max_model_len=max(2048, 1024 + int(row["prompt_tokens"] or 500)),
            max_num_seqs=1,
            max_num_batched_tokens=max(2048, ubatch or 0),
            memory_fraction=engine.memory_fraction,
            block_tokens=engine.block_tokens,
            micro_batch_tokens=ubatch,
        ),
        offload=offload,
    ), note


def host_of(row: Mapping[str, str], catalog: Catalog, gpus: int) -> tuple[HostSpec, str]:
    """The host that the row describes, else the usual desktop."""
    known = next(((host, share) for word, host, share in HOSTS if word in row["cpu_ram"]), None)
    name, share = known or (UNSTATED_HOST, 1.0)
    host = catalog.hosts[name]
    return replace(
        host,
        gpus=max(gpus, host.gpus),
        memory_bytes=10**13,
        memory_bandwidth_bytes_per_s=host.memory_bandwidth_bytes_per_s * share,
        cpu_cores=max(1, round(host.cpu_cores * share)),
    ), "" if known else f"CPU and memory not stated: {name} assumed"


def _with_experts(model: ModelSpec, setting: str) -> ModelSpec:
    """The model with as many experts per token as the row ran."""
    found = re.search(r"(\d) experts", setting)
    return replace(model, layers=tuple(_group(each, int(found[1])) for each in model.layers)) if found else model


def _group(group: LayerGroup, chosen: int) -> LayerGroup:
    feed_forward = group.feed_forward
    if not isinstance(feed_forward, MoeFeedForward):
        return group
    return replace(group, feed_forward=replace(feed_forward, experts_per_token=chosen))


def summary(rows: list[Scored], quantity: str) -> tuple[int, float, float, float]:
    """Rows, and median, mean and bias of the error [-]."""
    errors = [error for row in rows if (error := row.error(quantity)) is not None]
    sizes = [abs(error) for error in errors]
    return len(errors), statistics.median(sizes), statistics.mean(sizes), statistics.mean(errors)


def markdown_lines(folder: Path) -> Iterator[str]:
    """The section of docs/accuracy.md."""
    rows = score(folder)
    answered = [row for row in rows if not row.declined]
    yield "## Work on the host (experts on the CPU, streamed weights)"
    yield ""
    yield f"{len(answered)} of {len(rows)} published rows can be predicted; four of them gave the two constants."
    yield ""
    yield "| tokens/s | rows | median | mean | bias |"
    yield "|---|---:|---:|---:|---:|"
    for quantity in QUANTITIES:
        count, median, mean, bias = summary(rows, quantity)
        yield f"| {quantity} | {count} | {median:.0%} | {mean:.0%} | {bias:+.0%} |"
    yield ""
    yield "| declined because | rows |"
    yield "|---|---:|"
    reasons = [row.declined for row in rows if row.declined]
    for reason in dict.fromkeys(reasons):
        yield f"| {reason} | {reasons.count(reason)} |"
    yield ""
    yield "| worst rows | measured | predicted | why (a guess) |"
    yield "|---|---:|---:|---|"
    for quantity in QUANTITIES:
        for row in worst(answered, quantity):
            assert row.measured is not None
            assert row.predicted is not None
            numbers = f"{row.measured[quantity]:.1f} | {row.predicted[quantity]:.1f}"
            yield f"| {row.label} ({quantity}) | {numbers} | {guess(row, quantity)} |"


def worst(rows: list[Scored], quantity: str, count: int = 3) -> list[Scored]:
    """The rows that are furthest off."""
    known = [row for row in rows if row.error(quantity) is not None]
    return sorted(known, key=lambda row: -abs(row.error(quantity) or 0.0))[:count]


def guess(row: Scored, quantity: str) -> str:
    """What may be behind an error, from what the row says of itself."""
    if row.note:
        return row.note
    if quantity == "prefill":
        return "an engine with CPU kernels and buffers of its own"
    return "an engine that pins weights to sockets"


def main() -> None:
    """Print every row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host-memory-efficiency", type=float)
    folder = data_folder()
    if folder is None:
        raise SystemExit(f"no data folder: set LLMPLAN_DATA, or put shared/data beside {REPO}")
    rows = score(folder, parser.parse_args().host_memory_efficiency)
    for row in rows:
        if row.declined:
            print(f"declined  {row.label}: {row.declined}")
            continue
        assert row.measured is not None
        assert row.predicted is not None
        texts = [
            f"{name} {row.measured[name]:.1f} measured, {row.predicted[name]:.1f} predicted ({row.error(name):+.0%})"
            for name in QUANTITIES
            if name in row.measured
        ]
        print(f"{row.label}: {'; '.join(texts)}{'; ' + row.note if row.note else ''}")
    for quantity in QUANTITIES:
        count, median, mean, bias = summary(rows, quantity)
        print(f"{quantity}: {count} rows, median {median:.1%}, mean {mean:.1%}, bias {bias:+.1%}")


if __name__ == "__main__":
    main()
