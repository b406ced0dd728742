"""The quantization lever: only formats that the engine runs on that GPU, never more bits than the checkpoint."""

from tests_support import DEEPSEEK_R1, LLAMA_70B, Propose


def formats_on(proposals: list, gpu_id: str) -> set[str]:  # type: ignore[type-arg]
    return {each.replica.weights.id for each in proposals if each.replica and each.replica.gpu.id == gpu_id}


def test_formats_follow_the_gpu(propose: Propose) -> None:
    proposals = propose("quantized", LLAMA_70B, gpu_ids=("a10-24gb", "h100-sxm-80gb", "b200-180gb"))
    assert {"awq-int4", "int8"} <= formats_on(proposals, "a10-24gb")
    assert "fp8" in formats_on(proposals, "h100-sxm-80gb")
    assert "nvfp4" in formats_on(proposals, "b200-180gb")


def test_every_format_runs_on_its_gpu(propose: Propose) -> None:
    for each in propose("quantized", LLAMA_70B):
        replica = each.replica
        assert replica is not None
        capability = replica.gpu.compute_capability
        assert capability is not None
        assert replica.engine.weight_formats[replica.weights.id].runs_on(capability)
        assert replica.weights.bits < 16


def test_fp8_cache_only_with_a_native_kernel(propose: Propose) -> None:
    proposals = propose("quantized", LLAMA_70B, gpu_ids=("a10-24gb", "h100-sxm-80gb"))
    caches = {(each.replica.gpu.id, each.replica.kv.id) for each in proposals if each.replica}
    assert ("h100-sxm-80gb", "fp8") in caches
    assert ("a10-24gb", "fp8") not in caches


def test_a_quantized_checkpoint_is_never_widened(propose: Propose) -> None:
    """DeepSeek-R1 is published in FP8: what is proposed has at most 8 bits, its own format among them."""
    proposals = propose("quantized", DEEPSEEK_R1, gpu_ids=("h200-sxm-141gb",))
    bits = {each.replica.weights.bits for each in proposals if each.replica}
    assert max(bits) == 8
    assert "fp8-block" in formats_on(proposals, "h200-sxm-141gb")


def test_the_user_can_name_the_format(propose: Propose) -> None:
    proposals = propose("quantized", LLAMA_70B, weight_formats=("int8",))
    assert {each.replica.weights.id for each in proposals if each.replica} == {"int8"}
