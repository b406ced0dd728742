"""The three parts of runtime memory together: activation peak, non-torch memory, CUDA graphs."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.memory.runtime.compute_buffer import compute_buffer
from llmplan.memory.runtime.context import non_torch
from llmplan.memory.runtime.encoder import encoder_peak
from llmplan.memory.runtime.forward import FORWARD_RATIOS, forward_peak_bytes
from llmplan.memory.runtime.graphs import cuda_graphs
from llmplan.memory.runtime.sampler import sampled_rows, sampler_law, sampler_peak
from llmplan.memory.runtime.setting import Part, RuntimeSetting
from llmplan.spec.band import Band
from llmplan.spec.identity import remembered
from llmplan.spec.model import ModelSpec
from llmplan.units import format_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeMemory:
    """The three parts on one GPU."""

    activation: Part
    non_torch: Part
    graphs: Part


@remembered
def runtime_memory(model: ModelSpec, setting: RuntimeSetting) -> RuntimeMemory:
    """All three parts for one model under one setting."""
    contiguous = setting.rule == "explicit_context"
    return RuntimeMemory(
        activation=compute_buffer(model, setting.max_model_len) if contiguous else activation_peak(model, setting),
        non_torch=non_torch(setting.parallel.gpus, setting.rule, setting),
        graphs=cuda_graphs(model, setting),
    )


def activation_peak(model: ModelSpec, setting: RuntimeSetting) -> Part:
    """Torch memory at the worst moment of a profiling step: the sampler, the forward pass or an encoder.

    model: vocabulary, widths and encoders; setting: batch limits, ranks, engine version.
    max(copies x min(T, S) x vocabulary x 4 B, forward pass of T tokens, encoder on the largest items).
    Valid for vLLM; in other engines the peak lies outside the pool. Reference: 20 start-up logs of vLLM 0.6 to 0.14
    within 4 %, where the sampler is the largest.
    """
    sampler = sampler_peak(model, setting)
    tokens = setting.max_num_batched_tokens
    forward = forward_peak_bytes(model, tokens, setting.parallel, setting.version)
    encoder = encoder_peak(model, setting)
    peaks = [sampler, Band.of(forward, low_ratio=FORWARD_RATIOS[0], high_ratio=FORWARD_RATIOS[1])]
    peaks += [encoder.size] if encoder else []
    size = Band(
        low=max(peak.low for peak in peaks), mid=max(peak.mid for peak in peaks), high=max(peak.high for peak in peaks)
    )
    copies, rows = sampler_law(setting).mid, sampled_rows(model, setting)
    formula = (
        f"max(sampler {copies:g} × {rows} × {model.vocab_size} × 4 B = {format_bytes(sampler.mid)}, "
        f"forward pass of {tokens} tokens = {format_bytes(forward)}{', ' + encoder.formula if encoder else ''})"
    )
    return Part(size=size, formula=formula)
