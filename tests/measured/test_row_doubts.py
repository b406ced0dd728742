"""Rows that are set aside: what a table published twice, and what drafts tokens without saying so."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
ROW = dict.fromkeys(
    (
        "row_id", "source_id", "engine", "engine_version", "model", "quantization", "kv_dtype", "gpus_total", "tp",
        "pp", "ep", "dp", "mode", "isl", "osl", "len_kind", "load_kind", "load_value", "num_requests", "ttft_ms_mean",
        "ttft_ms_p50", "tpot_ms_mean", "tpot_ms_p50", "itl_ms_mean", "decode_tok_s_stream", "output_tok_s_total",
        "output_tok_s_per_gpu", "batch_latency_s", "prefill_tok_s", "gpu_key", "model_key", "flags", "notes",
    ),
    "",
)  # fmt: skip
LLAMA = ROW | {
    "source_id": "somebody", "engine": "vLLM", "engine_version": "0.11.0", "quantization": "bf16", "gpus_total": "1",
    "tp": "1", "isl": "1000", "osl": "300", "load_kind": "concurrency", "load_value": "8", "gpu_key": "H100-SXM",
    "model_key": "llama-3-8b",
}  # fmt: skip
DEEPSEEK = LLAMA | {
    "engine": "trtllm", "quantization": "fp8", "gpus_total": "8", "tp": "8", "gpu_key": "H200-SXM",
    "model": "deepseek-ai/DeepSeek-R1", "model_key": "deepseek-v3/r1-671b",
}  # fmt: skip
UNSAID = "speculative decoding not recorded in the file"


def sort_out(base: dict[str, str], *changes: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Rows that are used, and why others are not."""
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    module: Any = importlib.import_module("measured_rows")
    rows = [base | {"row_id": str(index)} | change for index, change in enumerate(changes)]
    cases, declined = module.sort_out(rows)
    return [case.row_id for case in cases], {each.row_id: each.reason for each in declined}


def test_the_same_figures_under_another_version_are_used_once() -> None:
    first, other = {"tpot_ms_mean": "7.123", "ttft_ms_mean": "50.5"}, {"tpot_ms_mean": "7.2", "ttft_ms_mean": "50.5"}
    used, aside = sort_out(LLAMA, first, first | {"engine_version": "0.11.1"}, other)
    assert used == ["0", "2"]
    assert aside == {"1": "the same measurement under another name"}


def runs(fast: str, notes: str, **changes: str) -> tuple[dict[str, str], ...]:
    """A version at two loads, and another that is faster at the lower one."""
    slow = {"engine_version": "1.2.0", "notes": notes}
    drafting = {"engine_version": "1.2.1", "notes": notes}
    return tuple(
        row | changes
        for row in (
            slow | {"load_value": "4", "tpot_ms_mean": "14"},
            slow | {"load_value": "64", "tpot_ms_mean": "32"},
            drafting | {"load_value": "4", "tpot_ms_mean": fast},
            drafting | {"load_value": "64", "tpot_ms_mean": "31"},
        )
    )


def test_a_version_that_halves_the_time_where_drafting_is_not_ruled_out_is_set_aside_whole() -> None:
    used, aside = sort_out(DEEPSEEK, *runs("7.1", UNSAID))
    assert used == ["0", "1"]
    assert set(aside) == {"2", "3"}
    assert aside["2"] == aside["3"] == "a version that seems to speculate, and does not say so"


@pytest.mark.parametrize(
    ("base", "fast", "notes"),
    [
        (DEEPSEEK, "12.5", UNSAID),  # a newer version gains some per cent
        (DEEPSEEK, "7.1", ""),  # the table would have said
        (LLAMA, "8.0", UNSAID),  # no layers that draft
    ],
)
def test_other_versions_stay(base: dict[str, str], fast: str, notes: str) -> None:
    used, aside = sort_out(base, *runs(fast, notes))
    assert used == ["0", "1", "2", "3"]
    assert aside == {}
