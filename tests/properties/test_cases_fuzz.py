"""A case file is written by strangers: whatever a line holds, one JSON answer comes out, and never a bug of ours."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan.cli import main
from llmplan.cli._flags import field_types
from llmplan.cli._options import LoadFlags, ReplicaFlags

KEYS = sorted({**field_types(ReplicaFlags), **field_types(LoadFlags)})
TEXTS = (
    "h100", "l4", "mi300x", "vllm", "vllm@0.8.4", "sglang", "llama-cpp", "tensorrt-llm", "auto", "fp8", "awq-int4",
    "gguf-q4_k_m", "int8", "nvfp4", "pcie-8", "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-30B-A3B", "", ".", "a\0b",
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 70) | st.sampled_from([128, 1024, 2**31, 2**63, 10**30, 10**400])
    | st.floats() | st.sampled_from(TEXTS) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
base = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "h100", "isl": 500, "osl": 50, "concurrency": 4}
questions = st.builds(
    lambda changes, dropped: {key: value for key, value in (base | changes).items() if key not in dropped},
    st.dictionaries(st.sampled_from([*KEYS, "model", "id", "other"]), values, max_size=4),
    st.sets(st.sampled_from(sorted(base)), max_size=1),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])  # fmt: skip  # noqa: E501
@given(lines=st.lists(questions.map(json.dumps) | st.text(max_size=20), min_size=5, max_size=30))
def test_any_line_has_one_answer_and_none_is_a_bug(tmp_path: Path, lines: list[str]) -> None:
    lines = [" ".join(line.splitlines()) or " " for line in lines]
    path = tmp_path / "cases.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8", errors="surrogatepass"))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["predict", "--cases", str(path)]) == 0
    answers = [json.loads(line, parse_constant=_refuse) for line in out.getvalue().splitlines()]
    assert len(answers) == sum(bool(line.strip()) for line in lines)
    for answer in answers:
        assert answer["ok"] or answer["error"]["code"] != "internal", answer


def _refuse(name: str) -> Any:
    raise AssertionError(f"{name} in the answer")
