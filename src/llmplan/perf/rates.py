"""Achieved rates of one GPU for one replica: bytes per second it reads, FLOP per second it computes."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.errors import DataError
from llmplan.perf.calibration import Coefficients
from llmplan.plan.deployment import Replica
from llmplan.spec.formats import WeightFormat
from llmplan.spec.gpu import GpuSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Published peaks times achieved shares."""

    dense_bytes_per_s: float
    expert_bytes_per_s: float
    head_bytes_per_s: float
    kv_bytes_per_s: float
    dense_flop_per_s: float
    expert_flop_per_s: float
    head_flop_per_s: float
    attention_flop_per_s: float


def computes_natively(replica: Replica) -> bool:
    """Whether the replica's weights run on tensor cores in their own format, rather than expanded to 16 bit.

    The format must not be weight-only, the GPU must have the arithmetic, and the engine must use it there
    (`FormatSupport.native_from`).
    """
    weights, gpu = replica.weights, replica.gpu
    if weights.weight_only or not gpu.supports(weights.compute):
        return False
    support = replica.engine.weight_formats.get(weights.id)
    if support is None or weights.family == "float" or gpu.compute_capability is None:
        return True
    return support.native_on(gpu.compute_capability)


def rates_of(replica: Replica, coefficients: Coefficients) -> Rates:
    """Peaks of the replica's GPU times what its calibration says is achieved of them."""
    gpu, weights = replica.gpu, replica.weights
    bandwidth = gpu.memory_bandwidth_bytes_per_s
    wide_flop_per_s = _wide_peak(gpu, weights) * coefficients.matrix_16bit_efficiency
    read_share, dense_flop_per_s = 1.0, wide_flop_per_s
    expert_flop_per_s = wide_flop_per_s
    if computes_natively(replica) and weights.family != "float":
        dense_flop_per_s = gpu.peak_flop_per_s[weights.compute] * _native_efficiency(weights, coefficients)
        expert_flop_per_s = dense_flop_per_s
    elif weights.is_quantized:
        read_share = coefficients.weight_only_memory_efficiency
        dense_flop_per_s = wide_flop_per_s / expansion(weights, coefficients.dequantization_factor)
        expert_flop_per_s = wide_flop_per_s / expansion(weights, coefficients.expert_dequantization_factor)
    plain = bandwidth * coefficients.memory_efficiency
    experts = bandwidth * coefficients.expert_memory_efficiency
    return Rates(
        dense_bytes_per_s=plain if weights.experts_only else plain * read_share,
        expert_bytes_per_s=experts * read_share,
        head_bytes_per_s=plain,
        kv_bytes_per_s=bandwidth * coefficients.kv_memory_efficiency,
        dense_flop_per_s=wide_flop_per_s if weights.experts_only else dense_flop_per_s,
        expert_flop_per_s=expert_flop_per_s * coefficients.expert_matrix_efficiency,
        head_flop_per_s=wide_flop_per_s,
        attention_flop_per_s=_wide_peak(gpu, weights) * coefficients.attention_efficiency,
    )


def expansion(weights: WeightFormat, factor: float) -> float:
    """How many times as long 16-bit products take when their weights have to be expanded first.

    weights: their bits [bits]; factor: that of 8-bit weights, f [-].
    1 + (f - 1) (16 / bits - 1): three times the surplus for 4-bit weights, which are unpacked and scaled by group.
    Valid for weights of 16 bits or fewer. Reference: Frantar et al. 2024 (Marlin, arXiv 2408.11743), which hides
    most of it; the factor is fitted.
    """
    return 1.0 + (factor - 1.0) * (16.0 / min(weights.bits, 16.0) - 1.0)


def _native_efficiency(weights: WeightFormat, coefficients: Coefficients) -> float:
    return coefficients.matrix_4bit_efficiency if weights.compute == "fp4" else coefficients.matrix_8bit_efficiency


def _wide_peak(gpu: GpuSpec, weights: WeightFormat) -> float:
    """The peak of the arithmetic that everything unquantized runs in."""
    wanted = ("fp32",) if weights.compute == "fp32" else ("bf16", "fp16")
    for compute in wanted:
        if compute in gpu.peak_flop_per_s:
            return gpu.peak_flop_per_s[compute]
    raise DataError(
        f"no {' or '.join(wanted)} peak is known for {gpu.id}",
        hints=[f"add {wanted[-1]}_tflops with its source to the profile of {gpu.id}"],
    )
