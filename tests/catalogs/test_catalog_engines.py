"""What the packaged engine versions accept, against the rules that their sources state."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.engines import EngineLibrary, engine_library
from llmplan.errors import DataError
from llmplan.spec.formats import GGUF_WEIGHT_FORMATS, KV_FORMATS, WEIGHT_FORMATS
from llmplan.units import GIB, MIB

V100, T4, A100, A10, L4, H100, B200, RTX5090 = (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)


@pytest.fixture(scope="module")
def engines() -> EngineLibrary:
    return engine_library((packaged_profiles(),))


@pytest.mark.parametrize(
    ("memory_bytes", "architecture", "tokens", "seqs"),
    [
        (183359 * MIB, "Blackwell", 16384, 1024),
        (143771 * MIB, "Hopper", 8192, 1024),
        (81559 * MIB, "Hopper", 8192, 1024),
        (81920 * MIB, "Ampere", 2048, 256),
        (119 * GIB, "Blackwell GB10", 2048, 256),
        (23028 * MIB, "Ampere", 2048, 256),
    ],
)
def test_vllm_scheduler_defaults_by_memory(
    engines: EngineLibrary, memory_bytes: int, architecture: str, tokens: int, seqs: int
) -> None:
    default = engines["vllm"].scheduler_default(memory_bytes, architecture)
    assert (default.max_num_batched_tokens, default.max_num_seqs) == (tokens, seqs)


@pytest.mark.parametrize(
    ("engine", "weights", "runs_on", "fails_on"),
    [
        ("vllm", "bf16", (A100, H100), (T4, V100)),
        ("vllm", "fp16", (T4, H100), (V100,)),
        ("vllm", "awq-int4", (T4, A10, H100, B200), (V100,)),
        ("vllm", "fp8", (T4, A10, H100), (V100,)),
        ("vllm", "mxfp4", (A10, H100, RTX5090), (T4,)),
        ("tensorrt-llm", "fp8", (L4, H100, B200, RTX5090), (A10, A100, T4)),
        ("tensorrt-llm", "awq-int4", (A10, L4, H100), (B200, RTX5090, T4)),
        ("tensorrt-llm", "nvfp4", (B200, RTX5090), (A10, L4, H100)),
        ("tensorrt-llm", "mxfp4", (H100, B200), (A10, L4)),
        ("tensorrt-llm", "fp8-block", (H100, B200), (L4, RTX5090)),
        ("tensorrt-llm", "bf16", (A10, A100), (T4, V100)),
        ("sglang", "awq-int4", (A10, H100), (T4,)),
        ("llama-cpp", "gguf-q4_k_m", (V100, T4, A10), ((5, 2),)),
    ],
)
def test_weight_formats_by_capability(
    engines: EngineLibrary, engine: str, weights: str,
    runs_on: tuple[tuple[int, int], ...], fails_on: tuple[tuple[int, int], ...],
) -> None:  # fmt: skip
    support = engines[engine].weight_formats[weights]
    assert all(support.runs_on(capability) for capability in runs_on)
    assert not any(support.runs_on(capability) for capability in fails_on)


def test_formats_that_an_engine_does_not_have(engines: EngineLibrary) -> None:
    assert not {"nf4", "gguf-q4_k_m"} & set(engines["vllm"].weight_formats)
    assert not {"nf4", "int8", "gguf-q4_k_m"} & set(engines["tensorrt-llm"].weight_formats)
    assert not {"awq-int4", "fp8", "nvfp4"} & set(engines["llama-cpp"].weight_formats)
    assert {known.id for known in GGUF_WEIGHT_FORMATS} <= set(engines["llama-cpp"].weight_formats)


def test_fp8_is_native_from_ada_on_and_weight_only_below(engines: EngineLibrary) -> None:
    assert engines["vllm"].weight_formats["fp8"].native_from == L4
    assert engines["vllm"].weight_formats["nvfp4"].native_from == B200
    assert engines["vllm"].weight_formats["awq-int4"].native_from is None
    assert not engines["vllm"].kv_formats["fp8"].runs_on(T4)


def test_every_format_exists_and_every_image_is_pinned(engines: EngineLibrary) -> None:
    weights, kv = {known.id for known in WEIGHT_FORMATS}, {known.id for known in KV_FORMATS}
    for ref, engine in engines.items():
        assert set(engine.weight_formats) <= weights, ref
        assert set(engine.kv_formats) <= kv, ref
        assert engine.image is None or not engine.image.endswith(("latest", "nightly"))
        assert engine.image is not None or engine.version == "main"


def test_memory_rules(engines: EngineLibrary) -> None:
    vllm = engines["vllm"]
    assert (vllm.memory_fraction, vllm.block_tokens, vllm.vocab_padding) == (0.92, 16, 64)
    assert (engines["trtllm"].memory_fraction, engines["trtllm"].block_tokens) == (0.9, 32)
    assert engines["llama-cpp"].host_layers
    assert not engines["llama-cpp"].paged


@pytest.mark.parametrize(
    ("ref", "version"),
    [
        ("vllm@0.4.0", (12, 1)),  # torch 2.1.2 asks for nvidia-cuda-runtime-cu12 12.1.105
        ("vllm@0.8.4", (12, 4)),  # torch 2.6.0: 12.4.127
        ("vllm@0.11", (12, 8)),  # torch 2.8.0: 12.8.90
        ("vllm@0.33", (13, 0)),  # torch 2.14.0: cuda-toolkit 13.0.3
        ("sglang", (13, 0)),  # torch 2.14.1: cuda-toolkit 13.0.3
        ("tensorrt-llm@0.8.0", None),  # extends a release whose CUDA is known, and does not take it over
    ],
)
def test_cuda_of_the_published_build(engines: EngineLibrary, ref: str, version: tuple[int, int] | None) -> None:
    assert engines[ref].cuda_version == version
    assert engines[ref].provenance["builds.cuda"].as_of is not None


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('cuda: {version: "13.0"', 'cuda: {version: "13"', "builds.cuda.version"),
        ("v0.33.0", "latest", "names no fixed tag"),
        ("image: vllm/vllm-openai:v0.33.0", "image: vllm/vllm-openai", "names no fixed tag"),
        ('bf16: {min: "8.0"', "bf16: {min: sm80", "weight_formats.bf16.min: 'sm80' is not a compute capability"),
        ('version: "0.33.0"', 'version: "0.34.0"', "must be vllm@0.34.0"),
        ("kv_pool_rule: fraction_of_total", "kv_pool_rule: half", "kv_pool_rule"),
        ("max_num_seqs: 256", "max_num_seqs: 0", "scheduler_defaults.2.max_num_seqs"),
        ('native_from: "7.5", source: build}', 'native_from: "7.5", source: rumour}', "'rumour' is not declared"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    text = (packaged_profiles() / "engines" / "vllm@0.33.0.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "vllm@0.33.0.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        engine_library((tmp_path,))["vllm"]
    assert what in caught.value.message
    assert "vllm@0.33.0.yaml:" in caught.value.message
