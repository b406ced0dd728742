"""An alias that is the Hub id of other weights is planned, priced and launched under its own id."""

import pytest

from llmplan.spec.catalog import Catalog


@pytest.mark.parametrize(
    ("typed", "model_id"),
    [
        ("llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct"),
        ("META-LLAMA/LLAMA-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("deepseek-r1", "deepseek-ai/DeepSeek-R1"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1-0528"),
        ("deepseek-r1-0528", "deepseek-ai/DeepSeek-R1-0528"),
        ("glm-4.6", "zai-org/GLM-4.6"),
    ],
)
def test_a_name_means_its_own_weights(catalog: Catalog, typed: str, model_id: str) -> None:
    assert catalog.models[typed].id == model_id


def test_siblings_share_the_architecture_and_nothing_else(catalog: Catalog) -> None:
    own, sibling = catalog.models["deepseek-r1"], catalog.models["deepseek-r1-0528"]
    assert sibling.layers == own.layers
    assert sibling is catalog.models["deepseek-ai/DeepSeek-R1-0528"]


def test_a_hosted_price_is_of_this_model_alone(catalog: Catalog) -> None:
    from llmplan.pricing import token_offers
    from llmplan.spec.workload import Limits

    for typed in ("deepseek-r1", "deepseek-r1-0528"):
        model = catalog.models[typed]
        offers = token_offers(model, Limits(), catalog.prices)
        assert offers
        assert {offer.model_id for offer in offers} == {model.id}
