"""A month of a hosted model, recomputed by hand from the sellers' prices per million tokens."""

from __future__ import annotations

import pytest
from hand_rows import Row, by, look_up, row
from pricing_builders import bill, deployment, refusal, traffic

LLAMA_70B, LLAMA_8B = "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"
OSS, R1, R1_0528 = "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-0528"
MONTH_S = 730 * 3600

PLAIN = {
    "wandb/meta-llama/Llama-3.3-70B-Instruct": ("wandb", LLAMA_70B, 0.71, 0.71),
    "sambanova/Meta-Llama-3.3-70B-Instruct": ("sambanova", LLAMA_70B, 0.60, 1.20),
    "crusoe/meta-llama/Llama-3.3-70B-Instruct": ("crusoe", LLAMA_70B, 0.20, 0.20),
    "lambda_ai/llama3.3-70b-instruct-fp8": ("lambda", LLAMA_70B, 0.12, 0.30),
    "nebius/meta-llama/Meta-Llama-3.1-8B-Instruct": ("nebius", LLAMA_8B, 0.02, 0.06),
    "ovhcloud/Llama-3.1-8B-Instruct": ("ovhcloud", LLAMA_8B, 0.10, 0.10),
    "hyperbolic/deepseek-ai/DeepSeek-R1": ("hyperbolic", R1, 0.40, 0.40),
    "openai.gpt-oss-120b-1:0": ("bedrock", OSS, 0.15, 0.60),
    "vertex_ai/openai/gpt-oss-120b-maas": ("vertex-ai", OSS, 0.09, 0.36),
    "watsonx/openai/gpt-oss-120b": ("watsonx", OSS, 0.159, 0.636),
}
"""The seller's own name of the model: seller, model, USD per million in and out."""

CACHED = {
    "groq/openai/gpt-oss-120b": ("groq", OSS, 0.15, 0.075, 0.60),
    "deepinfra/deepseek-ai/DeepSeek-R1-0528": ("deepinfra", R1_0528, 0.50, 0.40, 2.15),
    "novita/deepseek/deepseek-r1-0528": ("novita", R1_0528, 0.70, 0.35, 2.50),
    "deepseek/deepseek-r1": ("deepseek", R1, 0.55, 0.14, 2.19),
}
"""The same with the price of input that a prefix cache holds between the two."""


@pytest.mark.parametrize("listed_as", PLAIN)
def test_a_month_is_tokens_times_price(listed_as: str) -> None:
    seller, model, into, out = PLAIN[listed_as]

    found = bill(deployment("tokens", model_id=model), by(seller), workload=traffic(2.0, into=1500, out=250))

    requests = 2.0 * MONTH_S
    assert found.usd_per_month == pytest.approx((requests * 1500 * into + requests * 250 * out) / 1e6, abs=0.005)
    assert found.usd_per_request == pytest.approx((1500 * into + 250 * out) / 1e6)
    assert {line.figure.instance for line in found.lines if line.figure} == {listed_as}


@pytest.mark.parametrize("listed_as", CACHED)
def test_cached_input_is_billed_apart(listed_as: str) -> None:
    seller, model, into, cached, out = CACHED[listed_as]
    asked = traffic(0.5, into=6000, out=400, prefix_share=0.7)

    found = bill(deployment("tokens", model_id=model), by(seller), workload=asked)

    requests = 0.5 * MONTH_S
    fresh, held, answered = requests * 6000 * 0.3, requests * 6000 * 0.7, requests * 400
    assert found.usd_per_month == pytest.approx((fresh * into + held * cached + answered * out) / 1e6, abs=0.005)
    assert found.usd_per_mtok_cached_input == cached


def test_a_seller_without_a_price_for_cached_input_bills_all_of_it() -> None:
    asked = traffic(0.5, into=6000, out=400, prefix_share=0.7)

    found = bill(deployment("tokens", model_id=OSS), by("watsonx"), workload=asked)

    assert found.usd_per_month == pytest.approx(0.5 * MONTH_S * (6000 * 0.159 + 400 * 0.636) / 1e6, abs=0.005)


def test_which_seller_is_cheapest_depends_on_the_mix() -> None:
    """DeepInfra asks 0.037 and 0.17 of gpt-oss-120b, Weights & Biases 0.03 and 0.17: the latter for any mix."""
    found = bill(deployment("tokens", model_id=OSS), by("deepinfra", "wandb"), workload=traffic(1.0, into=900, out=100))

    assert found.usd_per_month == pytest.approx(MONTH_S * (900 * 0.03 + 100 * 0.17) / 1e6, abs=0.005)
    (other,) = found.alternatives
    assert other.usd_per_month == pytest.approx(MONTH_S * (900 * 0.037 + 100 * 0.17) / 1e6, abs=0.005)


def test_what_ended_is_not_sold() -> None:
    """Fireworks ended gpt-oss-120b on 2026-11-07, Cerebras Llama 3.3 70B on 2026-02-16."""
    assert refusal(deployment("tokens", model_id=OSS), by("fireworks")).code == "no_price"
    assert refusal(deployment("tokens", model_id=LLAMA_70B), by("cerebras")).code == "no_price"


def test_requests_longer_than_the_seller_admits() -> None:
    """SambaNova serves DeepSeek-R1 up to 32,768 tokens."""
    assert refusal(deployment("tokens", model_id=R1), by("sambanova"), workload=traffic(1.0, 32_000, 1_000)).code == (
        "context"
    )


def at(name: str) -> tuple[str, str]:
    """Seller and name: two sellers list a model under the same one."""
    return name.partition("/")[0], name


ROWS = [
    *(row("token_api_prices", name, input_usd_per_mtok=into) for name, (_, _, into, _) in PLAIN.items()),
    *(row("token_api_prices", name, output_usd_per_mtok=out) for name, (*_, out) in PLAIN.items()),
    *(row("token_api_prices", *at(name), input_usd_per_mtok=into) for name, (_, _, into, _, _) in CACHED.items()),
    *(row("token_api_prices", *at(name), cached_input_usd_per_mtok=usd) for name, (_, _, _, usd, _) in CACHED.items()),
    *(row("token_api_prices", *at(name), output_usd_per_mtok=out) for name, (*_, out) in CACHED.items()),
    row("token_api_prices", "deepinfra/openai/gpt-oss-120b", input_usd_per_mtok=0.037),
    row("token_api_prices", "wandb/openai/gpt-oss-120b", output_usd_per_mtok=0.17),
    row("token_api_prices", "watsonx/openai/gpt-oss-120b", cached_input_usd_per_mtok=""),
    row("token_api_prices", "fireworks_ai/gpt-oss-120b", deprecation_date="2026-11-07"),
    row("token_api_prices", "cerebras/llama-3.3-70b", deprecation_date="2026-02-16"),
    row("token_api_prices", "sambanova/DeepSeek-R1", context=32768),
]


@pytest.mark.parametrize("wanted", ROWS, ids=str)
def test_the_tokens_are_as_the_table_has_them(wanted: Row) -> None:
    look_up(wanted)
