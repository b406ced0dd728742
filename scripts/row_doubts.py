"""Which measured rows are not believed: by what their table says of them, and by physics that they break.

Two kinds of rule, both written down here and in docs/how-it-works/speed.md. `doubt` reads the table's own remarks.
`contradicted` compares a row with what no machine can do and with other rows of the very same configuration; it knows
published peaks and counts of work, and nothing of the predictions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

import row_names

if TYPE_CHECKING:
    from measured_rows import Case

NO_ENGINE = "an engine that is not described here"
SLACK = 0.9
"""share of the least reading time that a measurement may fall below: counts are exact, clocks and lengths are not"""
REACHED_PEAK = 0.75
"""more of the published peak than any engine's matrix products reach over a whole run"""
FASTER_UNDER_LOAD = 0.85
"""TPOT at twice the load or more, over TPOT at the lower load"""
REPEATED = 2.0
"""a repeat that takes this many times as long as the fastest one of the same configuration"""
SPECULATES, SPECULATES_UP_TO = 1.3, 16.0
"""how many times as fast as another version a run is in the middle, at loads up to this many requests"""
COLD_SHARE, COLD_S = 0.1, 1.0
"""of the peak, in which all prompts of a load are computed one after another, and seconds on top"""


def doubt(row: Mapping[str, str]) -> str | None:
    """Why a row is not used, from what the table says about it; None for a usable one."""
    if row_names.engine_id(row["engine"]) is None:
        return NO_ENGINE
    if row["source_id"].startswith("mlperf"):
        return "vendor-tuned: an upper bound"
    if "wip=True" in row["notes"] or "tpot_non_monotonic" in row["notes"] or "workload_inferred" in row["flags"]:
        return "marked doubtful in the table"
    if int(_number(row["gpus_total"]) or 1) > 8:
        return "several hosts, wiring not stated"
    if row["load_kind"] not in ("concurrency", "qps", "batch", "batch (all at once)", "max"):
        return "load not stated as one number"
    if row["mode"] == "static-batch" and "static batch" in row["engine"]:
        return "engine generation without in-flight batching"
    if "chunked=FALSE" in row["notes"] or _scheduler_steps(row["notes"]) > 1:
        return "scheduler options of an old engine that no current one has"
    if "attention_dp" in row["flags"] and not row["dp"]:
        return "attention parallelism not stated"
    if row.get("repeat_no", "1") not in ("", "1"):
        return "a repeat"
    return None


def contradicted(cases: Sequence[Case]) -> dict[str, dict[str, str]]:
    """For every row that breaks a rule: its quantities that are not used, each with the reason."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    impossible = {_configuration(case): why for case in cases if (why := _beyond_peak(case))}
    for case in cases:
        if why := impossible.get(_configuration(case)):
            found[case.row_id] |= dict.fromkeys(case.measured, why)
        elif _cold(case):
            found[case.row_id]["ttft"] = "longer than all prompts take one after another at a tenth of the peak"
    speculating = _speculating(cases)
    for case in cases:
        if _run(case) in speculating:
            found[case.row_id] |= dict.fromkeys(case.measured, "a version that seems to speculate, and does not say so")
    for group in _grouped(cases, _result).values():
        for case in group[1:]:
            found[case.row_id] |= dict.fromkeys(case.measured, "the same measurement under another name")
    for group in _grouped(cases, _shape).values():
        for case in group:
            if any(_faster_though_fuller(case, other) for other in group):
                found[case.row_id] |= dict.fromkeys(case.measured, "faster than at half the load or less")
    for group in _grouped(cases, lambda case: (*_shape(case), case.load.value)).values():
        for name in ("tpot", "ttft"):
            times = [case.measured[name] for case in group if name in case.measured]
            for case in group:
                if case.measured.get(name, 0.0) > REPEATED * min(times, default=0.0):
                    found[case.row_id][name] = "twice the time of a repeat of the same configuration"
    return found


def _beyond_peak(case: Case) -> str | None:
    """What no machine can do: such rows speculate, or hit a prefix cache, and do not say so."""
    work, replica, tpot_s = case.work, case.replica, case.measured.get("tpot")
    if tpot_s is None:
        return None
    least = work.dense_bytes + work.head_bytes + sum(e.resident_bytes * e.coverage(1.0) for e in work.experts)
    if tpot_s < SLACK * replica.parallel.pp * least / replica.gpu.memory_bandwidth_bytes_per_s:
        return "faster than its weights can be read"
    ttft_s = case.measured.get("ttft")
    if case.load.kind != "concurrency" or ttft_s is None:
        return None
    rate = case.load.value / (ttft_s + (case.load.output_tokens.mean - 1.0) * tpot_s)
    if rate * _request_s(case) > REACHED_PEAK:
        return "more requests than can be computed"
    return None


def _speculating(cases: Sequence[Case]) -> set[object]:
    """Versions of an engine that decode a third faster than another on the same machine, where drafting is not ruled
    out and few requests run: a newer version gains some per cent, drafting halves the time."""
    found: set[object] = set()
    ratios: dict[tuple[object, object], list[float]] = defaultdict(list)
    drafting = [case for case in cases if case.may_speculate and case.version and "tpot" in case.measured]
    for group in _grouped(drafting, lambda case: (*_hardware(case), *_lengths(case), case.load.value)).values():
        if group[0].load.value <= SPECULATES_UP_TO:
            for case in group:
                for other in group:
                    ratios[_run(case), _run(other)].append(other.measured["tpot"] / case.measured["tpot"])
    for (run, _), found_ratios in ratios.items():
        if median(found_ratios) >= SPECULATES:
            found.add(run)
    return found


def _request_s(case: Case) -> float:
    """Least time of a request's matrix products on the whole replica [s]."""
    return _matrix_s(case, case.load.input_tokens.mean + case.load.output_tokens.mean)


def _matrix_s(case: Case, tokens: float) -> float:
    """Least time of the matrix products of `tokens` tokens on the whole replica [s]."""
    work, gpu, weights = case.work, case.replica.gpu, case.replica.weights
    each = work.dense_weights + sum(e.resident_weights * e.chosen / e.experts for e in work.experts)
    peak = max(gpu.peak_flop_per_s.get(name, 0.0) for name in (weights.compute, "bf16", "fp16"))
    return 2.0 * each * tokens / peak / case.replica.parallel.dp


def _cold(case: Case) -> bool:
    """Whether first tokens wait for something that is neither queueing nor computing: kernels being compiled."""
    if case.load.kind != "concurrency" or "ttft" not in case.measured:
        return False
    lengths = case.load.input_tokens.mean + case.load.output_tokens.mean
    slots = min(case.memory.room.requests(lengths), case.replica.settings.max_num_seqs * case.replica.parallel.dp)
    everything_s = case.load.value * _matrix_s(case, case.load.input_tokens.mean) / COLD_SHARE
    return case.load.value <= slots and case.measured["ttft"] > everything_s + COLD_S


def _faster_though_fuller(case: Case, other: Case) -> bool:
    if "tpot" not in case.measured or "tpot" not in other.measured or case.load.kind != "concurrency":
        return False
    fuller = case.load.value >= 2.0 * other.load.value
    return fuller and case.measured["tpot"] < FASTER_UNDER_LOAD * other.measured["tpot"]


def _configuration(case: Case) -> tuple[object, ...]:
    """Rows that one person measured on one machine with one engine and model."""
    replica = case.replica
    return (case.source, case.gpu_key, case.model_key, replica.engine.ref, replica.weights.id, replica.parallel)


def _shape(case: Case) -> tuple[object, ...]:
    """The same, with the same lengths and kind of load, whatever the engine's version."""
    return (*_hardware(case), case.replica.parallel, *_lengths(case))


def _hardware(case: Case) -> tuple[object, ...]:
    """The same machine, model, format and engine, however experts are spread."""
    replica, parallel = case.replica, case.replica.parallel
    cut = (parallel.tp, parallel.dp, parallel.pp)
    return (case.source, case.gpu_key, case.model_key, replica.engine.id, replica.weights.id, *cut)


def _lengths(case: Case) -> tuple[object, ...]:
    return (case.load.kind, case.load.input_tokens.mean, case.load.output_tokens.mean)


def _run(case: Case) -> object:
    """Rows of one version of one engine with one model: what was switched on in one was in the others."""
    return (case.source, case.model_key, case.replica.engine.id, case.version)


def _result(case: Case) -> tuple[object, ...]:
    """Equal to all digits, for the same set-up: published twice."""
    return (*_shape(case), case.load.value, *sorted(case.measured.items()))


def _grouped(cases: Iterable[Case], key_of: object) -> dict[object, list[Case]]:
    groups: dict[object, list[Case]] = defaultdict(list)
    for case in cases:
        groups[key_of(case)].append(case)  # type: ignore[operator]
    return groups


def _scheduler_steps(notes: str) -> int:
    _, found, rest = notes.partition("num-scheduler-step=")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return int(digits) if found and digits else 1


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
