"""The serverless lever: an API by the token where prompts may leave, GPUs by the second, warm and cold."""

from collections.abc import Callable

from llmplan.strategies import Market
from llmplan.strategies.serverless import why_none
from tests_support import LLAMA_8B, Propose, with_gpus


def kinds(proposals: list) -> set[str]:  # type: ignore[type-arg]
    return {each.purchase.kind for each in proposals}


def test_api_and_gpus_by_the_second(propose: Propose) -> None:
    proposals = propose("serverless", LLAMA_8B)
    assert kinds(proposals) == {"tokens", "serverless"}
    assert {each.purchase.keep_warm for each in proposals if each.replica} == {0, 1}


def test_private_prompts_never_go_to_an_api(propose: Propose) -> None:
    assert kinds(propose("serverless", LLAMA_8B, privacy="private")) == {"serverless"}


def test_air_gapped_and_owned_hardware_propose_nothing_and_say_why(
    propose: Propose, market: Callable[..., Market]
) -> None:
    assert propose("serverless", LLAMA_8B, privacy="air-gapped") == []
    have = with_gpus(1, 1, "l4-24gb")
    assert propose("serverless", LLAMA_8B, inventory=have) == []
    reason, fix = why_none(market(LLAMA_8B, inventory=have))
    assert "own hardware" in reason
    assert "--have" in fix


def test_naming_a_gpu_leaves_the_api_out(propose: Propose) -> None:
    assert kinds(propose("serverless", LLAMA_8B, gpu_ids=("l4-24gb",))) == {"serverless"}
