"""Work that leaves the GPU's own memory: layers or experts on the CPU, weights or cache streamed over PCIe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmplan.perf.calibration import Coefficients
from llmplan.perf.links import pcie_bytes_per_s
from llmplan.perf.rates import Rates
from llmplan.perf.work import Work
from llmplan.plan.deployment import Offload, Replica
from llmplan.plan.expert_layers import expert_share_on_host, routed_among_first
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec

HANDOVER_S = 6e-4
"""Fixed time of one layer whose experts are on the CPU: hidden states there and back, and threads that wait for each
other. What is left, beside reads, of DeepSeek's decode with 6 and 8 experts on one and two sockets (KTransformers 0.2:
13.7, 12.2, 10.3 and 8.7 tokens/s)."""
CORE_FLOP_PER_S = 5e10
"""Matrix products of one CPU core on quantized weights (the same measurements: 53 to 69 GFLOP/s while prefilling)."""

ONE_MODULE = ("superchip", "SoC", "APU")
"""forms of GPUs that share a module with their CPU and reach its memory without PCIe"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the bytes of one rank's stage are read from, and how fast.

    `gpu_share`: share of layers (weights, cache and FLOP) that the GPU runs, the rest runs on the host.
    `expert_gpu_share`: of the routed experts of those layers. `handovers`: how often a step changes to the host.
    `streamed_bytes`: weights that cross PCIe every step instead of being read from GPU memory.
    `spilled_tokens_from`: context tokens of the replica beyond which cache is read over PCIe (None: never).
    """

    gpu_share: float = 1.0
    expert_gpu_share: float = 1.0
    handovers: int = 0
    host_read_bytes_per_s: float = 1.0
    host_flop_per_s: float = 1.0
    stream_bytes_per_s: float = 1.0
    streamed_bytes: float = 0.0
    spilled_tokens_from: float | None = None


def placement_of(replica: Replica, coefficients: Coefficients, gpu_capacity_tokens: float) -> Placement:
    """Read a replica's `offload`; without one everything is in GPU memory."""
    offload = replica.offload
    if offload is None:
        return Placement()
    host, gpus_on_host = replica.host, min(replica.parallel.gpus, replica.host.gpus)
    host_read = host.memory_bandwidth_bytes_per_s * coefficients.host_memory_efficiency
    stream = min(host_link_bytes_per_s(replica.gpu, host) * coefficients.pcie_efficiency, host_read / gpus_on_host)
    flop = host.cpu_cores * CORE_FLOP_PER_S
    match offload.kind:
        case "layers" | "experts":
            return Placement(
                gpu_share=_layer_share(offload, replica.model),
                expert_gpu_share=_expert_share(offload, replica.model),
                handovers=_handovers(offload, replica.model),
                host_read_bytes_per_s=host_read,
                host_flop_per_s=flop,
                stream_bytes_per_s=stream,
            )
        case "weights":
            return Placement(stream_bytes_per_s=stream, streamed_bytes=float(offload.host_weight_bytes))
        case "kv":
            return Placement(stream_bytes_per_s=stream, spilled_tokens_from=gpu_capacity_tokens)


def host_link_bytes_per_s(gpu: GpuSpec, host: HostSpec) -> float:
    """What connects a GPU's memory to the host's [B/s], per direction.

    gpu, host: the card and the slot. PCIe, or the host's own link where both are one module.
    Valid for pinned memory. Reference: `pcie_bytes_per_s`; NVIDIA Grace Hopper white paper (NVLink-C2C).
    """
    return host.pcie_bytes_per_s if gpu.form in ONE_MODULE else pcie_bytes_per_s(gpu, host)


def _layer_share(offload: Offload, model: ModelSpec) -> float:
    """Share of whole layers that stay on the GPU."""
    if offload.kind != "layers":
        return 1.0
    return 1.0 - min(offload.host_layers, model.layer_count) / model.layer_count


def _expert_share(offload: Offload, model: ModelSpec) -> float:
    """Share of the routed experts that stay on the GPU where only experts leave it."""
    return 1.0 - expert_share_on_host(model, offload.host_layers) if offload.kind == "experts" else 1.0


def _handovers(offload: Offload, model: ModelSpec) -> int:
    """One for each layer with experts on the host; none to speak of where whole layers are."""
    return routed_among_first(model, offload.host_layers) if offload.kind == "experts" else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWork:
    """What the host holds of one rank's stage, and what computing it takes.

    `experts`: the share touched by a number of tokens, and the bytes of all; as on the GPU, n tokens touch as many as
    n^`routing_exponent` that were routed at random. `flop_per_token`: on the CPU;
    `gpu_s_per_token`: the same on the GPU, for steps that copy the weights there.
    """

    dense_bytes: float = 0.0
    experts: tuple[tuple[Callable[[float], float], float], ...] = ()
    routing_exponent: float = 1.0
    flop_per_token: float = 0.0
    gpu_s_per_token: float = 0.0

    @classmethod
    def of(cls, work: Work, rates: Rates, place: Placement, routing_exponent: float) -> HostWork:
        """The part of the work that `place` leaves to the host."""
        off, experts_off = 1.0 - place.gpu_share, 1.0 - place.gpu_share * place.expert_gpu_share
        if off <= 0.0 and experts_off <= 0.0:
            return cls()
        chosen = experts_off * sum(2.0 * e.resident_weights * e.chosen / e.experts for e in work.experts)
        dense = 2.0 * work.dense_weights * off
        return cls(
            dense_bytes=work.dense_bytes * off,
            experts=tuple((e.coverage, e.resident_bytes * experts_off) for e in work.experts),
            routing_exponent=routing_exponent,
            flop_per_token=dense + chosen,
            gpu_s_per_token=dense / rates.dense_flop_per_s + chosen / rates.expert_flop_per_s,
        )

    @property
    def is_idle(self) -> bool:
        """Whether everything is on the GPU."""
        return self.dense_bytes <= 0.0 and not self.experts

    def read_bytes(self, tokens: float) -> float:
        """What a step of so many tokens reads of it, once."""
        alike = tokens**self.routing_exponent
        return self.dense_bytes + sum(size_bytes * coverage(alike) for coverage, size_bytes in self.experts)


def hybrid_decode_bound_tokens_per_s(
    weight_bytes: float, gpu_share: float, gpu_bytes_per_s: float, host_bytes_per_s: float
) -> float:
    """The fastest a single stream can decode with its layers split between GPU and host.

    weight_bytes [B] read per token, gpu_share [-] of them in GPU memory, gpu_bytes_per_s and host_bytes_per_s
    [B/s] of the two memories.
    1 / (share W / bw_gpu + (1 - share) W / bw_host). Valid as an upper bound: no compute, no transfer, no fixed time.
    Reference: roofline model (Williams et al. 2009, CACM 52(4)), applied to each memory in turn.

    >>> round(hybrid_decode_bound_tokens_per_s(42.5e9, 0.5, 1008e9, 60e9), 1)
    2.7
    """
    return 1.0 / (weight_bytes * (gpu_share / gpu_bytes_per_s + (1.0 - gpu_share) / host_bytes_per_s))


def host_step_s(work: HostWork, tokens: float, placement: Placement) -> float:
    """Time of the layers or experts on the host for a step of `tokens` tokens.

    work: what the host holds; tokens [-] in the step; placement: host and PCIe speeds [B/s], CPU [FLOP/s].
    h t_handover + min(max(W / bw_host, n F / cpu), W / bw_pcie + n t_gpu), at least W / bw_host: the CPU reads what is
    touched once a step and computes every token; a large step copies it to the GPU instead and computes there.
    Valid for llama.cpp's layer split and experts on the CPU. Reference: llama.cpp backend scheduler (operations with
    a batch of 32 or more move to the GPU); `HANDOVER_S`, `CORE_FLOP_PER_S` for the two constants.

    >>> slow = Placement(
    ...     gpu_share=0.5, host_read_bytes_per_s=50e9, host_flop_per_s=1e12, stream_bytes_per_s=20e9)
    >>> half = HostWork(dense_bytes=20e9, flop_per_token=2e10)
    >>> host_step_s(half, 1, slow), host_step_s(half, 512, slow)
    (0.4, 1.0)
    """
    read = work.read_bytes(tokens)
    once = read / placement.host_read_bytes_per_s
    computed = max(once, tokens * work.flop_per_token / placement.host_flop_per_s)
    copied = read / placement.stream_bytes_per_s + work.gpu_s_per_token * tokens
    return placement.handovers * HANDOVER_S + max(once, min(computed, copied))
