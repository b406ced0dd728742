"""What must hold for any numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan import memory
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import WEIGHT_FORMATS, WeightFormat
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = ("llama-3.1-8b", "llama-3.3-70b", "gpt-oss-20b", "deepseek-v3", "llama-3.2-3b")
names = st.sampled_from(NAMES)
formats = st.sampled_from(WEIGHT_FORMATS)
ranks = st.sampled_from([1, 2, 4, 8])


@quick
@given(
    name=names, engine=st.sampled_from(["vllm", "tensorrt-llm", "sglang", "llama-cpp"]), weights=formats, tp=ranks,
    gpu_gib=st.floats(8, 300), fraction=st.floats(0.5, 0.99), length=st.integers(16, 32768),
    seqs=st.integers(1, 1024), batched=st.integers(1024, 16384),
)  # fmt: skip
def test_used_and_free_are_what_there_is(
    make: Callable[..., Replica], name: str, engine: str, weights: WeightFormat, tp: int, gpu_gib: float,
    fraction: float, length: int, seqs: int, batched: int,
) -> None:  # fmt: skip
    replica = make(
        name, engine=engine, gpu_gib=gpu_gib, tp=1 if engine == "llama-cpp" else tp, memory_fraction=fraction,
        max_model_len=length, max_num_seqs=seqs, max_num_batched_tokens=batched,
    )  # fmt: skip
    result = memory.budget(replace(replica, weights=weights))
    if not isinstance(result, MemoryBudget):
        assert 0 <= result.closeness <= 1
        assert result.code in ("weights_do_not_fit", "no_room_for_one_request", "host_memory")
        assert result.fix
        return
    parts = (
        result.weights_bytes, result.activation_bytes, result.non_torch_bytes, result.cuda_graph_bytes,
        result.kv_cache_bytes.mid,
    )  # fmt: skip
    assert abs(sum(parts) - result.budget_bytes) <= 1
    if engine != "sglang":
        assert result.budget_bytes <= result.total_bytes + 1
    layout = result.room.layout
    if engine != "llama-cpp":
        assert 0 <= result.kv_cache_bytes.mid - result.blocks * layout.block_bytes <= layout.block_bytes
    assert result.max_concurrency >= 1
    assert result.capacity_tokens >= length


@quick
@given(name=names, weights=formats, more=st.integers(1, 8))
def test_more_bits_never_take_less(models: dict[str, ModelSpec], name: str, weights: WeightFormat, more: int) -> None:
    if weights.family == "gguf":
        return
    model = replace(models[name], checkpoint_format="bf16", unquantized_modules=())
    wider = replace(weights, bits=weights.bits + more)
    assert memory.checkpoint_bytes(model, wider) >= memory.checkpoint_bytes(model, weights)


@quick
@given(name=names, weights=formats, extra=st.integers(1, 40))
def test_more_layers_never_take_less(
    models: dict[str, ModelSpec], engines: dict[str, EngineSpec], name: str, weights: WeightFormat, extra: int
) -> None:
    model = models[name]
    last = model.layers[-1]
    deeper = replace(
        model, layers=(*model.layers[:-1], replace(last, count=last.count + extra, indices=())),
    )  # fmt: skip
    for spec in (memory.kv_format("bf16"), memory.kv_format("fp8")):
        few, many = (memory.kv_bytes_per_token_per_gpu(m, spec, Parallelism()) for m in (model, deeper))
        assert many > few
    few, many = (
        memory.resident_weight_bytes_per_gpu(m, weights, Parallelism(), engines["vllm"]) for m in (model, deeper)
    )
    if weights.family != "gguf":  # its upgrades depend on the depth
        assert many > few


@quick
@given(name=names, weights=formats, tp=ranks, pp=st.sampled_from([1, 2, 3]), ep=st.booleans())
def test_more_ranks_never_take_more_each(
    models: dict[str, ModelSpec], engines: dict[str, EngineSpec], name: str, weights: WeightFormat, tp: int, pp: int,
    ep: bool,
) -> None:  # fmt: skip
    model, vllm = models[name], engines["vllm"]
    wide, narrow = Parallelism(tp=2 * tp, pp=pp, ep=ep), Parallelism(tp=tp, pp=pp, ep=ep)
    cut, whole = (memory.resident_weight_bytes_per_gpu(model, weights, p, vllm) for p in (wide, narrow))
    assert cut <= whole * 1.0001
    kv = memory.kv_format("bf16")
    one, two = (memory.kv_bytes_per_token_per_gpu(model, kv, p) for p in (wide, narrow))
    assert one <= two
    if model.is_mla:
        assert one == two


@quick
@given(name=names, length=st.integers(1, 30000), longer=st.integers(0, 30000), ahead=st.integers(0, 16384))
def test_longer_requests_never_take_fewer_blocks(
    models: dict[str, ModelSpec], name: str, length: int, longer: int, ahead: int
) -> None:
    layout = memory.cache_layout(models[name], memory.kv_format("bf16"), 1, 1, 16)
    assert layout.blocks_per_request(length + longer, ahead) >= layout.blocks_per_request(length, ahead)


@quick
@given(gib=st.floats(1, 100), more=st.floats(0, 50))
def test_a_larger_pool_never_holds_less(make: Callable[..., Replica], gib: float, more: float) -> None:
    sizes = [
        memory.budget(make(gpu_gib=300, max_model_len=1024, kv_cache_memory_bytes=round(pool * GIB)))
        for pool in (gib, gib + more)
    ]
    assert all(isinstance(size, MemoryBudget) for size in sizes)
    assert sizes[1].capacity_tokens >= sizes[0].capacity_tokens  # type: ignore[union-attr]
