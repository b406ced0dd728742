"""The offload lever: only where the GPU cannot hold the model, with the host's share of memory."""

from collections.abc import Callable

import pytest

from llmplan.strategies import Market
from llmplan.strategies.hybrid_offload import why_none
from llmplan.units import GB, GIB
from tests_support import LLAMA_8B, LLAMA_70B, Propose, with_gpus


def test_nothing_is_offloaded_where_the_model_fits(propose: Propose) -> None:
    proposals = propose("hybrid_offload", LLAMA_8B, gpu_ids=("h100-sxm-80gb",))
    assert proposals == []


def test_half_of_a_70b_stays_on_a_24_gb_gpu(propose: Propose) -> None:
    """42.5 GB of Q4_K_M over 80 layers is 0.53 GB each: about 40 of them in 24 GB."""
    have = with_gpus(1, 1, "rtx-4090-24gb", ram_bytes=64 * GIB, ram_bytes_per_s=75 * GB)
    splits = [
        each.replica.offload.host_layers
        for each in propose("hybrid_offload", LLAMA_70B, concurrency=1, inventory=have)
        if each.replica and each.replica.offload and each.replica.weights.id == "gguf-q4_k_m"
        and each.replica.settings.max_num_seqs == 1
    ]  # fmt: skip
    assert splits
    assert all(36 <= host_layers <= 48 for host_layers in splits)


def test_a_rented_gpu_gets_its_share_of_the_host(propose: Propose) -> None:
    for each in propose("hybrid_offload", LLAMA_70B, gpu_ids=("a10-24gb",)):
        assert each.replica is not None
        assert each.replica.host.gpus == 1


def test_streamed_weights_leave_room_for_the_cache(propose: Propose) -> None:
    for each in propose("hybrid_offload", LLAMA_70B, gpu_ids=("h100-sxm-80gb",)):
        assert each.replica is not None
        offload = each.replica.offload
        if offload is not None and offload.kind == "weights":
            on_gpu = 141.1 * GB - offload.host_weight_bytes
            assert on_gpu < 0.8 * each.replica.gpu.memory_bytes
            return
    pytest.fail("no weight streaming was proposed for a 141 GB model on an 80 GB GPU")


def test_reasons_name_the_real_cause(market: Callable[..., Market]) -> None:
    """No offer, no engine, a format that was insisted on, and only then that the model fits."""
    nobody = why_none(market(LLAMA_8B, gpu_ids=("l4-24gb",), provider_ids=("modal",)))
    assert "rents l4-24gb by the hour" in nobody[0]
    no_engine = why_none(market(LLAMA_8B, gpu_ids=("h100-sxm-80gb",), engine_ids=("tensorrt-llm",)))
    assert "--engine" in no_engine[0]
    insisted = why_none(market(LLAMA_8B, gpu_ids=("h100-sxm-80gb",), weight_formats=("fp8",)))
    assert "--weights fp8" in insisted[0]
    fits = why_none(market(LLAMA_8B, gpu_ids=("h100-sxm-80gb",)))
    assert "fits every GPU" in fits[0]
