"""Servers that say anything: whatever stands in their answers, observing ends with an answer or with a clear error."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import plan_samples
import served_samples as samples
from llmplan.errors import LlmplanError
from llmplan.measurements.served.reading import read_look
from llmplan.plan.load import Load
from llmplan.plan.served.comparing import compare
from llmplan.plan.served.drift import Case, findings
from llmplan.plan.served.expected import Expected
from llmplan.plan.served.points import rows as calibration_rows
from llmplan.plan.served.rules import RULES
from llmplan.plan.served.seen import see, steps
from llmplan.report import json_observe, observe, table
from llmplan.report.observe import Observed
from llmplan.spec.workload_lengths import Lengths
from served_samples import LLAMA_PROPS, SGLANG_INFO, Served

EXPECTED = Expected(
    name="plan.yaml",
    replica=plan_samples.replica(),
    budget=plan_samples.memory_budget(),
    load=Load(kind="rate", value=2.0, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(300)),
    estimate=plan_samples.estimate(),
)
VALUES = (
    "NaN",
    "+Inf",
    "-Inf",
    "-1",
    "0",
    "1e308",
    "1e-308",
    "1e400",
    "abc",
    "",
    "9" * 400,
    "0x1",
    "\x00",
    '"',
    "{",
    "}",
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def spoiled(text: str, seed: int) -> str:
    """The text with some of its lines changed, lost, cut and said twice."""
    dice, lines = random.Random(seed), []
    for line in text.split("\n"):
        match dice.randrange(12):
            case 0:
                lines.append(f"{line.rpartition(' ')[0]} {dice.choice(VALUES)}")
            case 1:
                lines.append(line.replace(f'"{dice.choice("0123456789")}', f'"{dice.choice(VALUES)}'))
            case 2:
                lines += [line, line]
            case 3:
                lines.append(line[: dice.randrange(len(line) + 1)])
            case 4:
                pass
            case _:
                lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "llama_cpp", "trtllm_iterations"])
@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 2**32), second=st.integers(0, 2**32), document=ANYTHING)
def test_spoiled_answers(engine: str, first: int, second: int, document: Any) -> None:
    served = Served(requests=300.0, hits=0.3, running=9.0, waiting=2.0, preemptions=1.0)
    texts = [getattr(samples, engine)(each) for each in (served, served.after(100.0))]
    documents = {
        "/v1/models": samples.models("tiny") if first % 2 else document, "/version": document,
        "/server_info": {**SGLANG_INFO, **(dict.fromkeys(list(SGLANG_INFO)[first % 9:first % 9 + 2], document))},
        "/props": {**LLAMA_PROPS, "total_slots": document},
    }  # fmt: skip
    try:
        looks = [
            read_look(spoiled(text, seed), documents, at_s=10.0 * index)
            for index, (text, seed) in enumerate(zip(texts, (first, second), strict=True))
        ]
    except LlmplanError:
        return
    seen = see(looks)
    for expected in (None, EXPECTED):
        found = compare(seen, expected, None)
        case = Case(seen=seen, rows={row.id: row for row in found}, expected=expected)
        answer = Observed(
            where="there", at="now", seen=seen, rows=found, findings=findings(case, RULES), expected=expected
        )
        text = json.dumps(json_observe.record(answer, skipped=[], written=None), allow_nan=False)
        assert json.loads(text)["schema"] == "llmplan.observe/v1"
        assert tuple(table.render(observe.document(answer, explain=True)))
        rows, _ = calibration_rows(steps(looks), expected, "fuzz")
        assert all(
            math.isfinite(row[name]) for row in rows for name in ("concurrency", "ttft_ms", "tpot_ms") if name in row
        )
