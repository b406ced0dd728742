"""Defaults by engine version and GPU, as the engines' releases state them."""

from __future__ import annotations

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.engines import EngineLibrary, engine_library
from llmplan.units import GIB, MIB

H100, A100, L4, V100, B200 = 81559 * MIB, 81920 * MIB, 23034 * MIB, 32 * GIB, 183359 * MIB


@pytest.fixture(scope="module")
def engines() -> EngineLibrary:
    return engine_library((packaged_profiles(),))


@pytest.mark.parametrize(
    ("version", "memory_bytes", "architecture", "context", "tokens", "seqs", "fraction", "graphs"),
    [
        ("0.4.0", A100, "Ampere", 40960, 40960, 256, 0.9, False),
        ("0.5.5", L4, "Ada", 128000, 512, 256, 0.9, False),
        ("0.6.4", L4, "Ada", 32768, 32768, 256, 0.9, False),
        ("0.6.4", H100, "Hopper", 131072, 2048, 256, 0.9, False),
        ("0.8.0", L4, "Ada", 2048, 2048, 1024, 0.9, False),
        ("0.8.4", L4, "Ada", 32768, 2048, 256, 0.9, False),
        ("0.8.4", V100, "Volta", 16384, 16384, 256, 0.9, False),
        ("0.11.0", H100, "Hopper", 32768, 8192, 1024, 0.9, False),
        ("0.11.0", A100, "Ampere", 32768, 2048, 256, 0.9, False),
        ("0.21.0", B200, "Blackwell", 32768, 16384, 1024, 0.92, True),
        ("0.21.0", 119 * GIB, "Blackwell GB10", 32768, 2048, 256, 0.92, True),
    ],
)
def test_vllm_defaults(
    engines: EngineLibrary, version: str, memory_bytes: int, architecture: str, context: int, tokens: int, seqs: int,
    fraction: float, graphs: bool,
) -> None:  # fmt: skip
    engine = engines[f"vllm@{version}"]
    default = engine.scheduler_default(memory_bytes, architecture)
    assert (default.step_tokens(context), default.max_num_seqs) == (tokens, seqs)
    assert (engine.memory_fraction, engine.cuda_graphs_in_budget) == (fraction, graphs)


def test_the_newest_stable_version_is_the_default(engines: EngineLibrary) -> None:
    assert engines["vllm"].version == "0.33.0"
    assert engines["vllm@0.8"].version == "0.8.4"


def test_old_versions_run_where_new_ones_do_not(engines: EngineLibrary) -> None:
    assert engines["vllm@0.6.4"].has_kernels_for((7, 0))
    assert engines["vllm@0.6.4"].weight_formats["fp16"].runs_on((7, 0))
    assert not engines["vllm@0.21.0"].has_kernels_for((7, 0))
    assert not engines["vllm@0.6.4"].has_kernels_for((12, 0))


@pytest.mark.parametrize(
    ("memory_mib", "ranks", "tokens", "seqs", "latent", "left_mib"),
    # mem_fraction_static: 512 + 1.5 x prefill + 128 x ranks + 2 x decode batch + graphs; at least 10240 above 60 GiB
    [
        (81559, 1, 8192, 256, False, 512 + 12288 + 128 + 512 + 464),
        (81559, 8, 8192, 512, True, 512 + 12288 + 1024 + 1024 + 1536),
        (24564, 1, 4096, 48, False, 512 + 6144 + 128 + 96 + 464),
        (81559, 1, 2048, 8, False, 10240),
    ],
)
def test_sglang_leaves_a_reserve(
    engines: EngineLibrary, memory_mib: int, ranks: int, tokens: int, seqs: int, latent: bool, left_mib: int
) -> None:
    fraction = engines["sglang"].memory_fraction_on(
        memory_mib * MIB, ranks=ranks, tokens=tokens, seqs=seqs, latent=latent
    )
    assert fraction == round((memory_mib - left_mib) / memory_mib, 3)


def test_sglang_batches_by_size_and_ranks(engines: EngineLibrary) -> None:
    """Largest batch with CUDA graphs; at least 2048 requests run at once whatever the GPU."""
    sglang = engines["sglang"]
    known = [(H100, "Hopper", 1, 256), (H100, "Hopper", 4, 512), (L4, "Ada", 4, 160)]
    for memory_bytes, architecture, ranks, captured in known:
        default = sglang.scheduler_default(memory_bytes, architecture, ranks)
        assert default.captured_seqs(default.max_num_seqs) == captured
        assert default.captured_seqs(8) == 8
        assert default.max_num_seqs == 2048


def test_a_fraction_without_a_reserve_is_the_same_everywhere(engines: EngineLibrary) -> None:
    vllm = engines["vllm"]
    assert vllm.memory_fraction_on(L4, ranks=1, tokens=2048, seqs=256, latent=False) == vllm.memory_fraction
