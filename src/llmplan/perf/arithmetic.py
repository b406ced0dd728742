"""The arithmetic of each term of a decode step in numbers, as `StepModel` works it out, for people to check."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.perf.calibration import Coefficients
from llmplan.perf.links import Link, link_between
from llmplan.perf.offload import HANDOVER_S, HostWork, Placement
from llmplan.perf.rates import Rates
from llmplan.perf.step_terms import ADAPTER_LAUNCH_FACTOR, ADAPTER_PASSES, COLLECTIVES_PER_LAYER, started_kernels
from llmplan.perf.work import ExpertWork, Work, adapter_slot_rank, exchanged_bytes_per_token
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.units import GB, KIB, MS_PER_S

US_PER_S = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A replica in one step: what is counted, at which rates, how many sequences with how much context."""

    replica: Replica
    work: Work
    rates: Rates
    coefficients: Coefficients
    place: Placement
    batch: float
    context: float

    @property
    def parallel(self) -> Parallelism:
        """How the replica is cut."""
        return self.replica.parallel

    @property
    def decodes(self) -> float:
        """Sequences that one pass of one stage advances: the batch over data-parallel groups and stages."""
        return max(min(self.batch, 1.0), self.batch / (self.parallel.dp * self.parallel.pp))

    @property
    def tokens(self) -> float:
        """Tokens that they are: one for each, and the drafted ones."""
        drafted = self.replica.speculation.tokens if self.replica.speculation else 0
        return self.decodes * (1 + drafted)

    @property
    def outputs(self) -> float:
        """Tokens that one data-parallel group chooses, on its last stage."""
        return max(min(self.batch, 1.0), self.batch / self.parallel.dp) * self.tokens / self.decodes

    @property
    def routed(self) -> float:
        """Tokens that the experts see in one pass: those of all data-parallel groups."""
        return self.tokens * self.parallel.dp

    @property
    def stages(self) -> str:
        """The factor for passing every pipeline stage."""
        return f" x {self.parallel.pp} stages" if self.parallel.pp > 1 else ""

    @property
    def streamed_bytes(self) -> float:
        """Weights that cross PCIe, no more than there are."""
        return min(self.place.streamed_bytes, self.work.resident_bytes)

    @property
    def kept(self) -> float:
        """Share of the weights that stays in GPU memory."""
        return 1.0 - self.streamed_bytes / self.work.resident_bytes

    def link(self, ranks: int) -> Link:
        """What a group of ranks talks over."""
        return link_between(ranks, self.replica.gpu, self.replica.host, self.coefficients)


def formulas(scene: Scene) -> dict[str, str]:
    """The arithmetic of every field of `StepTerms` that is not zero."""
    found = {
        "weights": _weights(scene),
        "weight_math": _weight_math(scene),
        "head": _head(scene),
        "activations": _activations(scene),
        "kv": _cache(scene),
        "attention_math": _attention_math(scene),
        "fixed": _fixed(scene),
        "sequences": f"{scene.outputs:.4g} sequences x {scene.coefficients.sequence_s * US_PER_S:.4g} us",
        "streamed": _streamed(scene),
    }
    if scene.work.experts:
        found |= {"experts": _experts(scene), "expert_math": _expert_math(scene)}
    if scene.place.gpu_share * scene.place.expert_gpu_share < 1.0:
        found["host"] = _host(scene)
    return found | _messages(scene)


def _weights(scene: Scene) -> str:
    read = scene.work.dense_bytes * scene.place.gpu_share * scene.kept / GB
    tenancy, rate = scene.replica.tenancy, _rate(scene.rates.dense_bytes_per_s)
    if tenancy is None or not tenancy.adapters:
        return f"{read:.4g} GB / {rate}{scene.stages}"
    count = min(float(tenancy.adapters), scene.decodes)
    each = scene.work.adapter_bytes_per_rank_unit * adapter_slot_rank(scene.replica) / GB
    moved = ADAPTER_PASSES * scene.work.adapter_bytes_per_rank_unit / KIB
    adapters = f"{count:.4g} adapters x {each:.4g} GB + {scene.tokens:.4g} tokens x {moved:.4g} KiB"
    return f"({read:.4g} GB + {adapters}) / {rate}{scene.stages}"


def _weight_math(scene: Scene) -> str:
    weights, rates = scene.work.dense_weights * scene.place.gpu_share, scene.rates
    read_s = scene.work.dense_bytes * scene.place.gpu_share * scene.kept / rates.dense_bytes_per_s
    return _beyond(scene, _math(weights, scene.tokens, rates.dense_flop_per_s), read_s) + scene.stages


def _experts(scene: Scene) -> str:
    share = scene.place.gpu_share * scene.place.expert_gpu_share * scene.kept
    parts = [
        f"{each.resident_bytes * share / GB:.4g} GB x {_touched(scene, each):.2%} of {each.experts} experts touched"
        for each in scene.work.experts
    ]
    return f"({' + '.join(parts)}) / {_rate(scene.rates.expert_bytes_per_s)}{scene.stages}"


def _expert_math(scene: Scene) -> str:
    parts, share, rates = [], scene.place.gpu_share * scene.place.expert_gpu_share, scene.rates
    for each in scene.work.experts:
        touched, how = _touched(scene, each), scene.coefficients
        read = each.resident_bytes * share * scene.kept * touched
        rows = f"({scene.routed * each.chosen / each.experts:.4g} + {how.expert_tile_rows:.4g} x {touched:.2%}) rows"
        narrow = 1.0 + how.expert_half_width_columns / each.width
        weights = f"2 x {each.resident_weights * share / 1e9:.4g}B weights"
        math = f"{weights} x {rows} x {narrow:.4g} / {_flops(rates.expert_flop_per_s)}"
        parts.append(_beyond(scene, math, read / rates.expert_bytes_per_s) + scene.stages)
    return "; ".join(parts)


def _touched(scene: Scene, work: ExpertWork) -> float:
    """Share of the experts that a step touches."""
    return work.coverage(scene.routed**scene.coefficients.routing_exponent)


def _activations(scene: Scene) -> str:
    passes = scene.coefficients.activation_passes * scene.place.gpu_share
    each = f"{scene.tokens:.4g} x {scene.work.layers} x {passes:.4g} x "
    return (
        f"{each}{scene.work.hidden_bytes_per_token / KIB:.4g} KiB / {_rate(scene.rates.head_bytes_per_s)}{scene.stages}"
    )


def _head(scene: Scene) -> str:
    work, rates = scene.work, scene.rates
    read = f"{work.head_bytes * scene.kept / GB:.4g} GB / {_rate(rates.head_bytes_per_s)}"
    math = _math(work.head_weights, scene.tokens, rates.head_flop_per_s)
    return f"{read} overlapped with {math} (exponent {_power(scene)}){scene.stages}"


def _cache(scene: Scene) -> str:
    parts = [
        f"{scene.decodes:.4g} x {min(scene.context, each.window_tokens):.0f} tokens x "
        f"{each.cache_bytes_per_context_token * scene.place.gpu_share / KIB:.4g} KiB"
        for each in scene.work.attention
    ]
    return f"({' + '.join(parts)}) / {_rate(scene.rates.kv_bytes_per_s)}{scene.stages}"


def _attention_math(scene: Scene) -> str:
    parts, share, rates = [], scene.place.gpu_share, scene.rates
    for each in scene.work.attention:
        seen = min(scene.context, each.window_tokens)
        flop = each.decode_flop_per_context_token * share
        math = f"{scene.tokens:.4g} x {seen:.0f} tokens x {flop / 1e6:.4g} MFLOP / {_flops(rates.attention_flop_per_s)}"
        read = scene.decodes * seen * each.cache_bytes_per_context_token * share
        parts.append(_beyond(scene, math, read / rates.kv_bytes_per_s) + scene.stages)
    return "; ".join(parts)


def _messages(scene: Scene) -> dict[str, str]:
    """All-reduces, expert exchanges and hand-overs, where there are any."""
    work, parallel, found = scene.work, scene.parallel, {}
    hidden = work.hidden_bytes_per_token
    if parallel.tp > 1:
        link = scene.link(parallel.tp)
        each = f"{_hops(link)} + {scene.tokens:.4g} x {hidden / KIB:.4g} KiB / {_rate(1 / link.allreduce_s_per_byte)}"
        count = f"{COLLECTIVES_PER_LAYER} x {work.layers} all-reduces"
        found["collectives"] = f"{count} over {parallel.tp} GPUs x ({each}){scene.stages}"
    if parallel.dp > 1 and work.experts:
        link = scene.link(parallel.tp * parallel.dp)
        sent = f"{exchanged_bytes_per_token(work, parallel) / KIB:.4g} KiB"
        hops = f"{work.expert_layers:.4g} layers x {_hops(link)}"
        each = f"{hops} + {scene.tokens:.4g} x {sent} / {_rate(link.bytes_per_s)}"
        found["all_to_all"] = f"{COLLECTIVES_PER_LAYER} ways x ({each}){scene.stages}"
    if parallel.pp > 1:
        link = scene.link(parallel.tp * parallel.pp)
        sent = f"{scene.tokens:.4g} x {hidden / parallel.tp / KIB:.4g} KiB / {_rate(link.bytes_per_s)}"
        found["pipeline_send"] = f"{parallel.pp} hand-overs x ({link.hop_s * US_PER_S:.4g} us + {sent})"
    return found


def _host(scene: Scene) -> str:
    """The host reads what is touched and computes every token, or the GPU copies it; then its layers' cache is read."""
    work, place, tokens = scene.work, scene.place, scene.tokens
    held = HostWork.of(work, scene.rates, place, scene.coefficients.routing_exponent)
    read, math = held.read_bytes(tokens), tokens * held.flop_per_token
    once_s, gpu_s = read / place.host_read_bytes_per_s, held.gpu_s_per_token * tokens
    computed_s = math / place.host_flop_per_s
    host = _rate(place.host_read_bytes_per_s)
    text = f"{read / GB:.4g} GB in host memory / {host}"
    if read / place.stream_bytes_per_s + gpu_s < max(once_s, computed_s):
        text = f"{read / GB:.4g} GB / {_rate(place.stream_bytes_per_s)} + {gpu_s * MS_PER_S:.4g} ms of math"
    elif computed_s > once_s:
        text = f"{math / 1e9:.4g} GFLOP on the CPU / {_flops(place.host_flop_per_s)}"
    if place.handovers:
        text += f" + {place.handovers} layers x {HANDOVER_S * US_PER_S:.4g} us"
    cache = (1.0 - place.gpu_share) * work.cache_bytes_per_context_token / KIB
    if cache:
        text += f" + {scene.decodes:.4g} x {scene.context:.0f} tokens x {cache:.4g} KiB / {host}"
    return f"({text}){scene.stages}"


def _streamed(scene: Scene) -> str:
    place, rate = scene.place, _rate(scene.place.stream_bytes_per_s)
    if place.spilled_tokens_from is None:
        return f"{scene.streamed_bytes / GB:.4g} GB over PCIe / {rate}{scene.stages}"
    cache = scene.work.cache_bytes_per_context_token / KIB
    spilled = max(0.0, scene.batch * scene.context - place.spilled_tokens_from)
    cut = f" / {scene.parallel.dp * scene.parallel.pp} groups and stages" if scene.decodes < scene.batch else ""
    return f"{spilled:.0f} tokens beyond the GPUs' pool x {cache:.4g} KiB / {rate}{cut}{scene.stages}"


def _fixed(scene: Scene) -> str:
    how, legacy = scene.coefficients, scene.replica.engine.legacy_host
    kernels = f"{started_kernels(scene.replica, scene.work):.4g} kernels x {how.launch_s * US_PER_S:.4g} us"
    if scene.replica.tenancy is not None and scene.replica.tenancy.adapters > 0:
        kernels += f" x {1.0 + ADAPTER_LAUNCH_FACTOR:g} with adapters"
    parts = [f"{how.step_s * MS_PER_S / scene.parallel.pp:.4g} ms", kernels]
    if scene.work.expert_layers:
        parts.append(f"{scene.work.expert_layers:.4g} layers with experts x {how.expert_layer_s * US_PER_S:.4g} us")
    factor = f" x {how.legacy_host_factor:.4g} for its scheduler" if legacy else ""
    return f"({' + '.join(parts)}){factor}{scene.stages}"


def _math(weights: float, tokens: float, flop_per_s: float) -> str:
    return f"2 x {weights / 1e9:.4g}B weights x {tokens:.4g} tokens / {_flops(flop_per_s)}"


def _beyond(scene: Scene, math: str, read_s: float) -> str:
    return f"{math} overlapped with {read_s * MS_PER_S:.5g} ms of reads, less these (exponent {_power(scene)})"


def _power(scene: Scene) -> str:
    return f"{scene.coefficients.roofline_exponent:.4g}"


def _hops(link: Link) -> str:
    return f"{link.hops:.4g} hops x {link.hop_s * US_PER_S:.4g} us"


def _rate(bytes_per_s: float) -> str:
    return f"{_number(bytes_per_s / GB)} GB/s achieved"


def _flops(flop_per_s: float) -> str:
    return f"{_number(flop_per_s / 1e12)} TFLOP/s achieved"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.4g}"
