"""The dedicated lever: near-lossless formats, TP inside a host, hardware limits respected."""

from tests_support import DEEPSEEK_R1, LLAMA_8B, LLAMA_70B, Propose, with_gpus


def test_fp8_is_proposed_only_where_the_gpu_computes_in_fp8(propose: Propose) -> None:
    proposals = propose("dedicated", LLAMA_70B, gpu_ids=("h100-sxm-80gb", "a100-sxm-80gb"))
    formats = {(each.replica.gpu.id, each.replica.weights.id) for each in proposals if each.replica}
    assert formats == {("h100-sxm-80gb", "bf16"), ("h100-sxm-80gb", "fp8"), ("a100-sxm-80gb", "bf16")}


def test_levers_are_named(propose: Propose) -> None:
    for each in propose("dedicated", LLAMA_70B, gpu_ids=("h100-sxm-80gb",)):
        assert each.replica is not None
        assert ("fp8 weights" in each.levers) == (each.replica.weights.id == "fp8")
        assert "rented by the hour" in each.levers


def test_no_replica_spans_nodes_over_a_network_of_unknown_speed(propose: Propose) -> None:
    proposals = propose("dedicated", LLAMA_70B, concurrency=4, inventory=with_gpus(4, 4, "a10-24gb"))
    assert {each.replica.parallel.gpus for each in proposals if each.replica} == {1, 2, 4}


def test_replicas_are_bounded_by_the_hardware(propose: Propose) -> None:
    """Three nodes of four GPUs hold three TP4, six TP2 or twelve TP1 replicas."""
    proposals = propose("dedicated", LLAMA_8B, concurrency=4, inventory=with_gpus(3, 4, "a10-24gb"))
    bounds = {each.replica.parallel.tp: each.max_replicas for each in proposals if each.replica}
    assert bounds == {1: 12, 2: 6, 4: 3}


def test_turing_gets_fp16(propose: Propose) -> None:
    proposals = propose("dedicated", LLAMA_8B, gpu_ids=("t4-16gb",))
    assert {each.replica.weights.id for each in proposals if each.replica} == {"fp16"}
    assert {each.replica.kv.id for each in proposals if each.replica} == {"fp16"}


def test_an_fp8_checkpoint_is_expanded_where_the_gpu_has_no_fp8(propose: Propose) -> None:
    """DeepSeek-R1 is published in block FP8: A100s serve it in BF16 (or not at all), H200s as it is."""
    proposals = propose("dedicated", DEEPSEEK_R1, gpu_ids=("a100-sxm-80gb", "h200-sxm-141gb"))
    formats = {(each.replica.gpu.id, each.replica.weights.id) for each in proposals if each.replica}
    assert formats == {("a100-sxm-80gb", "bf16"), ("h200-sxm-141gb", "fp8-block")}


def test_a_format_made_to_be_expanded_stays_as_it_is(propose: Propose) -> None:
    """gpt-oss is published in MXFP4 to run on Hopper too, with 16-bit activations."""
    proposals = propose("dedicated", "openai/gpt-oss-120b", gpu_ids=("h100-sxm-80gb",))
    assert {each.replica.weights.id for each in proposals if each.replica} == {"mxfp4"}
