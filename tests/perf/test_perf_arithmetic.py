"""Every formula of a step, worked out from its printed numbers, gives the amount beside it."""

from __future__ import annotations

import re

import pytest
from perf_builders import (
    DEEPSEEK_V3,
    DESKTOP,
    FORMATS,
    LLAMA_8B,
    LLAMA_70B,
    MIXTRAL,
    RTX4090,
    budget,
    calibration,
    engine,
    load,
    replica,
)

from llmplan.perf.estimate import estimate
from llmplan.perf.explain import explain_step
from llmplan.perf.roofline import overlapped_s
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy

UNITS = {
    "GB/s": 1e9, "TFLOP/s": 1e12, "MFLOP": 1e6, "GB": 1e9, "KiB": 1024.0, "ms": 1e-3, "us": 1e-6, "B": 1e9, "%": 0.01,
}  # fmt: skip
NUMBER = r"\d[\d,]*\.?\d*(?:e[+-]?\d+)?"


def value(text: str) -> float:
    """A printed product or sum: numbers times their units, words left out."""
    text = re.sub(r"over \d+ GPUs|of \d+ experts touched", "", text)
    units = "|".join(map(re.escape, UNITS))
    text = re.sub(
        rf"({NUMBER})\s?({units})(?![A-Za-z/])",
        lambda m: repr(float(m[1].replace(",", "")) * UNITS[m[2]]),
        text,
    )
    text = re.sub(r"(?<=\s)x(?=\s)", "*", text)
    text = re.sub(r"(?<![\d.])[A-Za-z'][A-Za-z'-]*", "", text)
    return float(eval(text, {"__builtins__": {}}))


def worked_out(formula: str) -> float:
    """The value of a formula with or without the overlap of reading and computing."""
    total = 0.0
    for part in formula.split("; "):
        found = re.fullmatch(r"(.+) overlapped with (.+?)(, less these)? \(exponent (\S+)\)(?: x (\d+) stages)?", part)
        if found is None:
            total += value(part)
            continue
        one, other = value(found[1]), value(found[2])
        both = overlapped_s(one, other, float(found[4])) - (other if found[3] else 0.0)
        total += both * float(found[5] or 1)
    return total


def llama_cpp(host_layers: int) -> Replica:
    """Half of a small model's layers on a desktop's CPU."""
    return replica(
        LLAMA_8B, RTX4090, host=DESKTOP, engine=engine("llama-cpp"), weights=FORMATS["fp8"],
        offload=Offload(kind="layers", host_layers=host_layers),
    )  # fmt: skip


REPLICAS = {
    "one": replica(),
    "tp": replica(LLAMA_70B, parallel=Parallelism(tp=4)),
    "pp": replica(LLAMA_70B, parallel=Parallelism(pp=4)),
    "tp-pp": replica(LLAMA_70B, parallel=Parallelism(tp=2, pp=2)),
    "dp": replica(parallel=Parallelism(dp=2)),
    "dp-experts": replica(MIXTRAL, parallel=Parallelism(dp=2)),
    "ep": replica(DEEPSEEK_V3, weights=FORMATS["fp8"], parallel=Parallelism(tp=2, dp=4, ep=True)),
    "adapters": replica(tenancy=Tenancy(tenants=8, adapters=8, lora_rank=16), parallel=Parallelism(tp=2)),
    "weights-offload": replica(offload=Offload(kind="weights", host_weight_bytes=4 * 10**9)),
    "kv-offload": replica(offload=Offload(kind="kv", host_kv_bytes=200 * 10**9)),
    "layers-offload": llama_cpp(12),
}


@pytest.mark.parametrize("name", REPLICAS)
@pytest.mark.parametrize("users", [1, 2, 48])
def test_a_formula_gives_the_amount_beside_it(name: str, users: int) -> None:
    of, memory = REPLICAS[name], budget(20_000 if name == "kv-offload" else 400_000)
    asked = load("concurrency", users)
    found = estimate(of, memory, asked, calibration())
    lines = [
        line for line in explain_step(of, memory, found, asked, calibration()).lines if line.formula != "TPOT - step"
    ]
    assert len(lines) >= 6
    wrong = {
        line.name: (line.formula, worked_out(line.formula), line.amount)
        for line in lines
        if worked_out(line.formula) != pytest.approx(line.amount, rel=0.02, abs=2e-9)
    }
    assert not wrong
