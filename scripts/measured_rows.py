"""Published speed measurements as questions to the product: which rows are used, and how each is read.

The table is found in the folder named by `LLMPLAN_DATA` (default `../shared/data` beside the repository). A row becomes
the flags that a user would type, and the product's own code makes the replica; what the row does not state is the
engine's default. Rows are excluded by the rules of `doubt` and of `contradicted`, never by naming a model, a GPU or a
result.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import row_names
from row_doubts import NO_ENGINE, contradicted, doubt

from llmplan import catalogs
from llmplan.cli._options import LoadFlags, ReplicaFlags
from llmplan.cli._replica import request_tokens
from llmplan.cli._workbench import Workbench
from llmplan.errors import LlmplanError
from llmplan.perf.work import Work, work_of
from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import MemoryBudget, Rejection
from llmplan.spec.workload import Lengths

REPO = Path(__file__).resolve().parents[1]
SETTLED = 0.9
"""share of a rate that is completed where a run settles; its last requests come back after it"""
QUANTITIES = ("tpot", "throughput", "ttft")
Fate = Literal["excluded", "outside", "declined"]
"""a written rule says that the row cannot judge a prediction; the catalogue has no such engine, GPU or model; or it has
and nothing is predicted all the same"""
NO_MODEL = "a model that the catalogue does not have"
NO_GPU = "a GPU that the catalogue does not have"
NOTHING_MEASURED = "nothing measured that is predicted"
NO_LOAD = "lengths or load not stated as numbers"
FATES: dict[str, Fate] = {
    NO_ENGINE: "outside", NO_MODEL: "outside", NO_GPU: "outside", NOTHING_MEASURED: "excluded", NO_LOAD: "excluded",
}  # fmt: skip
"""of reasons that a reader gives; any other means that nothing is predicted"""


class Declined(NamedTuple):
    """A row that is no case."""

    row_id: str
    source: str
    reason: str
    fate: Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One measured row: what ran, under which load, and what was measured [s or tokens/s]."""

    row_id: str
    source: str
    gpu_key: str
    model_key: str
    replica: Replica
    load: Load
    memory: MemoryBudget
    work: Work
    measured: Mapping[str, float]
    client: bool
    """whether a client measured it over a connection, not the engine itself"""
    version: str
    """the engine's version as the table writes it"""
    may_speculate: bool
    """whether the model has layers that draft and the table does not say whether they ran"""

    @property
    def family(self) -> str:
        """`dense` or `moe`."""
        return "moe" if self.replica.model.is_moe else "dense"

    @property
    def legacy(self) -> bool:
        """Whether the engine is of a generation whose host spends more time per step."""
        return self.replica.engine.legacy_host


def data_folder() -> Path | None:
    """The folder with the tables, or None where there is none."""
    folder = Path(os.environ.get("LLMPLAN_DATA", REPO.parent / "shared" / "data"))
    return folder if (folder / "throughput.csv").is_file() else None


def read_cases(folder: Path) -> list[Case]:
    """Every usable row of throughput.csv, in file order."""
    with (folder / "throughput.csv").open(newline="", encoding="utf-8") as table:
        return sort_out(csv.DictReader(table))[0]


def sort_out(rows: Iterable[Mapping[str, str]]) -> tuple[list[Case], list[Declined]]:
    """Every usable row, and the others with the reason and what it means."""
    reader = Reader()
    cases: list[Case] = []
    declined: list[Declined] = []
    for row in rows:
        why = doubt(row)
        found = why or reader.case(row)
        if isinstance(found, str):
            fate = FATES.get(found, "excluded" if why else "declined")
            declined.append(Declined(row["row_id"], row["source_id"], found, fate))
        else:
            cases.append(found)
    kept = []
    contradictions = contradicted(cases)
    for case in cases:
        dropped = contradictions.get(case.row_id, {})
        measured = {name: value for name, value in case.measured.items() if name not in dropped}
        if measured:
            kept.append(replace(case, measured=measured) if dropped else case)
        else:
            declined.append(Declined(case.row_id, case.source, next(iter(dropped.values())), "excluded"))
    return kept, declined


class Reader:
    """Turns rows into cases with the product's own code."""

    def __init__(self) -> None:
        self._bench = Workbench(
            catalogs.load_catalog((catalogs.packaged_profiles(),), price_date=datetime.now(UTC).date())
        )

    def case(self, row: Mapping[str, str]) -> Case | str:
        """The row as a case, or why it cannot be one."""
        try:
            load = _load(row)
            if load is None:
                return NO_LOAD
            measured = _measured(row, load)
            return self._case(row, measured, load) if measured else NOTHING_MEASURED
        except LlmplanError as error:
            return error.message
        except (ValueError, OverflowError) as error:
            return f"cannot be read: {error}"

    def _case(self, row: Mapping[str, str], measured: dict[str, float], load: Load) -> Case | str:
        name = self._model_name(row)
        if name is None:
            return NO_MODEL
        gpu = self._gpu_name(row)
        if gpu is None:
            return NO_GPU
        weights = row_names.format_id(row, self._bench.model(name, "auto").checkpoint_format)
        if weights is None:
            return f"weight format {row['quantization']!r}" if row["quantization"] else "weight format not stated"
        flags = _flags(row, gpu, weights, moe=self._bench.model(name, "auto").is_moe)
        lengths = LoadFlags(isl=round(load.input_tokens.mean), osl=max(1, round(load.output_tokens.mean)))
        replica = self._bench.build(name, flags, request_tokens(lengths)).replica
        if "link=PCIe" in row["notes"]:
            replica = replace(replica, host=replace(replica.host, fast_link_gpus=0))
        memory = self._bench.budget(replica)
        if isinstance(memory, Rejection):
            return memory.reason
        return Case(
            row_id=row["row_id"],
            source=row["source_id"],
            gpu_key=row["gpu_key"],
            model_key=row["model_key"],
            replica=replica,
            load=load,
            memory=memory,
            work=work_of(replica.model, replica.weights, replica.kv, replica.parallel),
            measured=measured,
            client=not _by_engine(row),
            version=row["engine_version"],
            may_speculate=replica.model.draft is not None and "decoding not recorded" in row["notes"],
        )

    def _model_name(self, row: Mapping[str, str]) -> str | None:
        models = self._bench.catalog.models
        names = (row["model"], row_names.MODELS.get(row["model_key"], ""), row["model_key"])
        return next((name for name in names if name in models), None)

    def _gpu_name(self, row: Mapping[str, str]) -> str | None:
        gpus, key = self._bench.catalog.gpus, row["gpu_key"].lower()
        names = (row["gpu_key"], key.replace(" ", "-"), row_names.GPUS.get(key, ""))
        return next((name for name in names if name in gpus), None)


def _by_engine(row: Mapping[str, str]) -> bool:
    """Whether the engine timed prompts and answers of one sequence itself (llama-bench), not a client."""
    return row["mode"].startswith(("pp (", "tg ("))


def _flags(row: Mapping[str, str], gpu: str, weights: str, *, moe: bool) -> ReplicaFlags:
    engine = str(row_names.engine_id(row["engine"]))
    tp, pp, dp = (int(_number(row[name]) or 1) for name in ("tp", "pp", "dp"))
    total = int(_number(row["gpus_total"]) or 1)
    if dp > 1 and tp * dp * pp > total:
        tp = 1
    notes = row["notes"]
    # TensorRT-LLM takes the cache's format from the checkpoint, and ModelOpt's checkpoints in these formats state FP8
    quantized = weights in ("fp8", "fp8-block", "nvfp4") and engine == "tensorrt-llm"
    eager = '"enforce_eager": true' in notes
    return ReplicaFlags(
        gpu=gpu,
        tp=tp,
        pp=pp,
        dp=dp,
        ep=tp * dp if moe and row["ep"] not in ("", "1") and tp * dp > 1 else None,
        engine=engine,
        engine_version=row_names.engine_version(row),
        weights=weights,
        kv_cache="fp8" if row["kv_dtype"] == "fp8" or (quantized and row["kv_dtype"] == "") else "auto",
        max_num_seqs=_noted(notes, ("max_num_seqs ", '"max_num_seqs": ', "max-num-seqs="))
        or (1 if _by_engine(row) else None),
        max_num_batched_tokens=_noted(notes, ("max_num_batched_tokens=", "mnbt=")),
        enforce_eager=eager,
    )


def _load(row: Mapping[str, str]) -> Load | None:
    isl, osl, value = _number(row["isl"]), _number(row["osl"]), _number(row["load_value"])
    if row["mode"].startswith("pp ("):
        osl = 1.0
    if row["mode"].startswith("tg ("):
        isl = 1.0
    if not isl or not osl:
        return None
    shorter = 0.9 if "range ratio 0.8" in row["len_kind"] else 1.0
    requests = _number(row["num_requests"])
    unbounded = value is None or value == float("inf") or (requests is not None and value >= requests)
    match row["load_kind"]:
        case "concurrency":
            kind, amount = "concurrency", value
        case "qps":
            kind, amount = ("burst", requests) if unbounded else ("rate", value)
        case "max":
            kind, amount = ("burst", requests) if requests else ("saturation", 0.0)
        case _:
            kind, amount = "burst", requests or value
    if amount is None or amount == float("inf"):
        return None
    return Load(
        kind=kind,  # type: ignore[arg-type]
        value=amount,
        input_tokens=Lengths.fixed(isl * shorter),
        output_tokens=Lengths.fixed(osl * shorter),
    )


def _measured(row: Mapping[str, str], load: Load) -> dict[str, float]:
    tpot_ms = _first(row, "tpot_ms_mean", "tpot_ms_p50", "itl_ms_mean")
    ttft_ms = _first(row, "ttft_ms_mean", "ttft_ms_p50")
    stream = _number(row["decode_tok_s_stream"])
    gpus = _number(row["gpus_total"]) or 1.0
    per_gpu = _number(row["output_tok_s_per_gpu"])
    total = _number(row["output_tok_s_total"]) or (per_gpu * gpus if per_gpu else None)
    latency_s, osl = _number(row["batch_latency_s"]), _number(row["osl"])
    if total is None and latency_s and osl and row["load_kind"].startswith("batch"):
        total = osl * (_number(row["num_requests"]) or _number(row["load_value"]) or 1.0) / latency_s
    prefill = _number(row["prefill_tok_s"])
    found = {
        "tpot": tpot_ms / 1e3 if tpot_ms else 1.0 / stream if stream else None,
        "ttft": ttft_ms / 1e3 if ttft_ms else None,
        "throughput": total,
    }
    if prefill and row["mode"].startswith("pp ("):
        found["ttft"] = float(row["isl"]) / prefill
    if "multi-turn" in row["len_kind"]:
        found["ttft"] = None
    if load.kind == "burst" and load.value > 1.0:
        found["tpot"] = None  # a burst fills and drains: its mean TPOT is no steady state's
    if load.kind == "rate" and total and total / load.output_tokens.mean < SETTLED * load.value:
        found["tpot"] = found["ttft"] = None  # more came than was answered: how many waited is the run's length
    return {name: value for name, value in found.items() if value and value > 0}


def _noted(notes: str, keys: tuple[str, ...]) -> int | None:
    for key in keys:
        _, found, rest = notes.partition(key)
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        if found and digits:
            return int(digits)
    return None


def _first(row: Mapping[str, str], *names: str) -> float | None:
    return next((value for name in names if (value := _number(row[name]))), None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
