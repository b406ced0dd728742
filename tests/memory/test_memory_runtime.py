"""Activation peak, graphs and what the engine keeps besides, against start-up logs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan.memory.loaded import unsplit_bytes
from llmplan.memory.runtime import RuntimeSetting, captured_sizes, compute_buffer, runtime_memory, version_of
from llmplan.memory.stages import stage_ranges
from llmplan.plan.deployment import Parallelism
from llmplan.spec.model import ModelSpec, Shard, Tensor, TensorRole, Tower
from llmplan.units import GIB, MIB

OLD = RuntimeSetting(
    rule="fraction_of_total", version=(0, 14, 0), max_num_batched_tokens=8192, max_num_seqs=1024,
    parallel=Parallelism(), graphs=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("vocabulary", "seqs", "printed_gib"),
    [
        # "peak activation memory" of vLLM 0.7 to 0.14 on one A10G and several H100
        (152064, 256, 1.43),
        (128256, 1024, 4.84),
        (151936, 1024, 5.64),
        (201088, 1024, 7.38),
        (151936, 256, 1.40),
    ],
)
def test_sampler_law(models: dict[str, ModelSpec], vocabulary: int, seqs: int, printed_gib: float) -> None:
    model = replace(models["llama-3.1-8b"], vocab_size=vocabulary)
    peak = runtime_memory(model, replace(OLD, max_num_seqs=seqs)).activation.size
    assert peak.mid / GIB == pytest.approx(printed_gib, rel=0.05)
    assert peak.low / GIB < printed_gib < 1.01 * peak.high / GIB


@pytest.mark.parametrize(
    ("version", "capability", "copies"),
    # what logs show: 2.5 to 4.6 in 2026; 9.6 in 0.11 to 0.14; 3.0 with FlashInfer in 0.10.1, near 10 without; all of V0
    [
        ("0.33.0", (9, 0), (2.5, 4.6)), ("0.14.0", (9, 0), (9.6, 10.3)), ("0.10.1.1", (8, 0), (3.0, 10.3)),
        ("0.10.1.1", (7, 5), (9.6, 10.3)), ("0.7.3", (8, 6), (9.6, 10.3)),
    ],
)  # fmt: skip
def test_copies_of_the_logits_by_version(
    models: dict[str, ModelSpec], version: str, capability: tuple[int, int], copies: tuple[float, float]
) -> None:
    setting = replace(OLD, version=version_of(version), capability=capability)
    band = runtime_memory(models["llama-3.1-8b"], setting).activation.size.scaled(1 / (1024 * 128256 * 4))
    assert band.low <= copies[0] <= band.mid <= copies[1] <= band.high + 0.01


def test_a_long_step_is_a_forward_pass(models: dict[str, ModelSpec]) -> None:
    """Qwen2.5-7B on an RTX 4090 with vLLM 0.6.3, 42 sequences and a step of 32768 tokens (vllm-project/vllm#10116):
    0.95 x 23.5 - 14.25 of weights - 3.44 of cache leave 4.6 GiB, of which 0.1 to 0.7 are outside torch."""
    setting = replace(OLD, version=version_of("0.6.3.post1"), max_num_seqs=42, max_num_batched_tokens=32768)
    assert 3.9 < runtime_memory(models["qwen2-7b"], setting).activation.size.mid / GIB < 4.6


def test_experts_run_on_larger_chunks_before_0_12(models: dict[str, ModelSpec]) -> None:
    """DeepSeek-R1 over 16 H800 with expert parallelism and steps of 32768 tokens: 32768 x 8 x (7168 + 2048) x 2 B of
    workspace and 4 x 7168 x 32768 x 2 B around it, of 10.9 GiB that weights and cache leave (vllm#16692)."""
    setting = replace(
        OLD, version=version_of("0.8.4"), max_num_seqs=256, max_num_batched_tokens=32768,
        parallel=Parallelism(tp=16, ep=True),
    )  # fmt: skip
    workspace, around = 32768 * 8 * (7168 + 2048) * 2, 4 * 7168 * 32768 * 2
    assert runtime_memory(models["deepseek-v3"], setting).activation.size.mid == workspace + around
    later = runtime_memory(models["deepseek-v3"], replace(setting, version=version_of("0.14.0")))
    assert later.activation.size.mid == max(workspace / 2 + around, 9.75 * 256 * 129280 * 4)


@pytest.mark.parametrize(
    ("version", "ranks", "vendor", "fast_link", "printed_gib"),
    [
        # vLLM's "non-torch memory": A10G, H100, H100 TP2, H200 TP2, RTX 3090 TP16, Radeon, and 0.6.5 with its context
        ("0.8.1", 1, "nvidia", False, 0.06), ("0.14.0", 1, "nvidia", True, 0.13), ("0.14.0", 2, "nvidia", True, 0.54),
        ("0.11.0", 2, "nvidia", True, 1.38), ("0.7.3", 16, "nvidia", False, 0.20), ("0.7.4", 1, "amd", False, 0.25),
        ("0.7.3", 1, "amd", False, 0.53), ("0.6.5", 1, "nvidia", False, 0.33),
    ],
)  # fmt: skip
def test_non_torch_memory_lies_in_its_band(
    models: dict[str, ModelSpec], version: str, ranks: int, vendor: str, fast_link: bool, printed_gib: float
) -> None:
    setting = replace(
        OLD, version=version_of(version), parallel=Parallelism(tp=ranks), vendor=vendor, fast_link=fast_link,
        capability=(7, 5) if version == "0.8.1" else None,
    )  # fmt: skip
    band = runtime_memory(models["llama-3.1-8b"], setting).non_torch.size
    assert band.low <= printed_gib * GIB <= band.high


@pytest.mark.parametrize(
    ("version", "charged"),
    [("0.6.3", False), ("0.6.5", True), ("0.7.3", False), ("0.8.3", True), ("0.9.0", True), ("0.9.2", False)],
)
def test_two_spans_of_versions_charged_the_context(models: dict[str, ModelSpec], version: str, charged: bool) -> None:
    """OPT-125M on an L4, vLLM 0.8.3: the V0 engine charges 0.04 GiB, V1 0.45 GiB more."""
    setting = replace(OLD, version=version_of(version))
    assert ("context" in runtime_memory(models["llama-3.1-8b"], setting).non_torch.formula) is charged


def tower(width: int, outputs: tuple[int, ...], *, merge: int, item_tokens: int | None, table_rows: int = 0) -> Tower:
    """An encoder of 27 layers whose matrices have these output rows; `merge` patches become a token."""
    layer = [(27, matrix(f"blocks.{{i}}.{i}", (rows, width), Shard.COLUMN)) for i, rows in enumerate(outputs)]
    once = [(1, matrix("merger", (width, width * merge), Shard.COLUMN))]
    if table_rows:
        shape = (table_rows, width)
        once.append((1, Tensor(name="positions", shape=shape, role=TensorRole.EMBED, shard=Shard.REPLICATED)))
    return Tower(kind="vision", hidden_size=width, layer_count=27, max_item_tokens=item_tokens, tensors=(*layer, *once))


def matrix(name: str, shape: tuple[int, int], shard: Shard) -> Tensor:
    return Tensor(name=name, shape=shape, role=TensorRole.LINEAR, shard=shard)


QWEN25 = tower(1280, (3840, 1280, 3420, 3420, 1280), merge=4, item_tokens=None)
GEMMA3 = tower(1152, (3456, 1152, 4304, 1152), merge=1, item_tokens=256, table_rows=4096)
QWEN35 = tower(1152, (3456, 1152, 4304, 1152), merge=4, item_tokens=None)


@pytest.mark.parametrize(
    ("encoder", "printed_gib"),
    # peaks of Qwen2.5-VL and Gemma 3 in start-up logs; Qwen3.5 with and without its encoder on an RTX 5090
    [(QWEN25, 4.1), (GEMMA3, 3.7), (QWEN35, 1.36)],
)
def test_encoder_peak_lies_in_its_band(models: dict[str, ModelSpec], encoder: Tower, printed_gib: float) -> None:
    model = replace(models["qwen2-7b"], towers=(encoder,))
    band = runtime_memory(model, replace(OLD, version=version_of("0.22.0"), max_num_seqs=64)).activation.size
    assert band.low <= printed_gib * GIB <= band.high
    assert "vision encoder" in runtime_memory(model, OLD).activation.formula


def test_the_first_engine_filled_sequences_with_images(models: dict[str, ModelSpec]) -> None:
    """Qwen2-VL-7B in 4 bit, vLLM 0.6.5, 4096 tokens of context, steps of 4097 (vllm#11899): one image, one row of
    logits, and 0.74 GiB where 256 rows would take 1.4."""
    encoder = tower(1280, (3840, 1280, 5120, 1280), merge=4, item_tokens=None)
    model = replace(models["qwen2-7b"], towers=(encoder,))
    setting = replace(
        OLD, version=version_of("0.6.5"), max_num_seqs=256, max_num_batched_tokens=4097, max_model_len=4096
    )
    band = runtime_memory(model, setting).activation.size
    assert band.low <= 0.74 * GIB <= band.high
    assert band.mid < 0.8 * GIB


def test_ranks_share_an_encoder(models: dict[str, ModelSpec]) -> None:
    model = replace(models["qwen2-7b"], towers=(QWEN25,))
    one, four = (
        runtime_memory(model, replace(OLD, max_num_seqs=1, parallel=Parallelism(tp=tp))).activation.size.mid
        for tp in (1, 4)
    )
    assert four < one / 2


def test_forward_pass_takes_over_with_few_sequences(models: dict[str, ModelSpec]) -> None:
    few = replace(OLD, max_num_seqs=1)
    small = runtime_memory(models["llama-3.3-70b"], few).activation.size.mid
    cut = runtime_memory(models["llama-3.3-70b"], replace(few, parallel=Parallelism(tp=4))).activation.size.mid
    assert small == 2 * 8192 * (4 * 8192 + 3 * 28672)
    assert cut == 2 * 8192 * (4 * 8192 + 3 * 28672 / 4)


@pytest.mark.parametrize(
    ("vocabulary", "hidden", "printed_mib"),
    # ik_llama.cpp discussions 370 and 357: Qwen3-30B-A3B and Qwen3-235B-A22B with flash attention
    [(151936, 2048, 304.75), (151936, 4096, 312.75)],
)
def test_compute_buffer(models: dict[str, ModelSpec], vocabulary: int, hidden: int, printed_mib: float) -> None:
    model = replace(models["llama-3.1-8b"], vocab_size=vocabulary, hidden_size=hidden)
    assert compute_buffer(model).size.mid / MIB == printed_mib


def test_latent_attention_needs_a_larger_buffer(models: dict[str, ModelSpec]) -> None:
    """DeepSeek-R1 in llama.cpp and ik_llama.cpp, 32768 tokens of context: 3253.5, 3393 and 3425 MiB."""
    band = compute_buffer(models["deepseek-v3"], 32768).size
    assert all(band.low <= printed * MIB <= band.high for printed in (3253.5, 3393.0, 3425.0))
    assert compute_buffer(models["llama-3.1-8b"], 32768) == compute_buffer(models["llama-3.1-8b"])


@pytest.mark.parametrize(
    ("layers", "tp", "printed_gib"),
    # "Graph capturing finished ... took": 7B on A100 (TP1, TP2), 72B on A100 (TP4), R1 on H800 (TP16), 27B on a 3090,
    # OPT-125M on H200, gpt-oss-120b (TP4), a 405B (TP4)
    [
        (28, 1, 0.50),
        (28, 2, 0.65),
        (80, 4, 2.65),
        (61, 16, 3.51),
        (64, 1, 0.71),
        (12, 1, 0.31),
        (36, 4, 1.88),
        (126, 4, 4.95),
    ],
)
def test_graphs_lie_in_their_band(models: dict[str, ModelSpec], layers: int, tp: int, printed_gib: float) -> None:
    model = models["llama-3.1-8b"]
    model = replace(model, layers=(replace(model.layers[0], count=layers, indices=tuple(range(layers))),))
    setting = replace(OLD, graphs=True, parallel=Parallelism(tp=tp))
    band = runtime_memory(model, setting).graphs.size
    assert band.low <= printed_gib * GIB <= band.high


def test_captured_sizes() -> None:
    sizes = [1, 2, 4, *range(8, 257, 8), *range(272, 513, 16)]
    assert captured_sizes(1024) == len(sizes) == 51
    assert captured_sizes(100) == len([size for size in sizes if size <= 200])


def test_leftover_layers_go_before_the_last_stage() -> None:
    assert [len(stage) for stage in stage_ranges(62, 4)] == [15, 16, 16, 15]
    assert stage_ranges(5, 1) == (range(5),)


def test_allocator_rounds_only_segments_of_its_own() -> None:
    """Qwen2-7B: gate and up are 259 MiB in a segment of 260, down 129.5 in 130; a small norm shares one."""
    assert unsplit_bytes([259 * MIB]) == MIB
    assert unsplit_bytes([129.5 * MIB]) == MIB / 2
    assert unsplit_bytes([24.5 * MIB]) == 0
    assert unsplit_bytes([7168]) == 0
    assert unsplit_bytes([6.5 * MIB] * 3) == MIB / 2, "three share a segment of 20 MiB"
