"""The sampler's warm-up: how many copies of the logits are alive at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmplan.memory.runtime.encoder import item_tokens
from llmplan.memory.runtime.setting import RuntimeSetting, Version
from llmplan.spec.band import Band
from llmplan.spec.engine import KvPoolRule
from llmplan.spec.model import ModelSpec
from llmplan.units import FP32_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerLaw:
    """Copies of the fp32 logits alive at once, for engine versions from `since` on."""

    rule: KvPoolRule
    since: Version
    low: float
    mid: float
    high: float


SORTING: Final = SamplerLaw(rule="fraction_of_total", since=(0, 0, 0), low=9.3, mid=9.75, high=10.4)
"""Sorting all logits: values, 64-bit indices, the sort's own buffers, probabilities and their running sum. 20 logs of
vLLM 0.7 to 0.14 lie between 9.6 and 10.3, with 50k to 201k entries."""
SAMPLER_LAWS: Final = (
    SamplerLaw(rule="fraction_of_total", since=(0, 17, 0), low=1.8, mid=3.0, high=5.6),
    SamplerLaw(rule="fraction_of_total", since=(0, 15, 0), low=1.8, mid=9.75, high=10.4),
    SamplerLaw(rule="fraction_of_total", since=(0, 11, 1), low=9.3, mid=9.75, high=10.4),
    SamplerLaw(rule="fraction_of_total", since=(0, 11, 0), low=3.0, mid=9.75, high=10.4),
    SamplerLaw(rule="fraction_of_total", since=(0, 9, 0), low=3.0, mid=6.0, high=10.4),
    SORTING,
    SamplerLaw(rule="fraction_static", since=(0, 0, 0), low=1.0, mid=2.0, high=4.0),
    SamplerLaw(rule="fraction_of_free", since=(0, 0, 0), low=1.0, mid=2.0, high=4.0),
)
"""From 0.17 on, Triton or FlashInfer select without sorting (vllm-project/vllm#33538, February 2026): logs of 2026 show
2.5 copies on one RTX PRO 6000, less than 2 on a GB10, up to 5.6 under ROCm. From 0.9 until #26859 switched it off in
0.11.1, FlashInfer selects where it is installed: 3.0 copies in 5 logs of 0.10.1, near 10 without it; the middle is
between, as nobody can know. Other engines: their buffers, assumed."""


def sampler_law(setting: RuntimeSetting) -> SamplerLaw:
    """The law of an engine version."""
    if setting.rule == "fraction_of_total" and setting.first_runner:
        return SORTING
    return next(law for law in SAMPLER_LAWS if law.rule == setting.rule and setting.version >= law.since)


def sampler_peak(model: ModelSpec, setting: RuntimeSetting) -> Band:
    """Memory of the sampler's warm-up on one GPU.

    model: its vocabulary, whose logits every rank gathers; setting: batch limits and engine version.
    copies x rows x vocabulary x 4 B. Valid for text models of any size. Reference: `SAMPLER_LAWS`.
    """
    law = sampler_law(setting)
    copy_bytes = float(sampled_rows(model, setting) * model.vocab_size * FP32_BYTES)
    return Band(low=law.low * copy_bytes, mid=law.mid * copy_bytes, high=law.high * copy_bytes)


def sampled_rows(model: ModelSpec, setting: RuntimeSetting) -> int:
    """Sequences in the warm-up [sequences].

    model: its encoders; setting: batch limits. min(T, S); vLLM's first engine filled each sequence with the largest
    item of its encoder, and so took T / item tokens. Valid for engines with a warm-up. Reference: vLLM 0.33
    v1/worker/gpu_model_runner.py, vLLM 0.6 worker/model_runner.py.
    """
    rows = min(setting.max_num_batched_tokens, setting.max_num_seqs)
    if setting.first_runner and model.towers:
        largest = max(item_tokens(tower, setting) for tower in model.towers)
        rows = max(1, min(rows, setting.max_num_batched_tokens // largest))
    return rows
