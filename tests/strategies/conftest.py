"""A market as the planner builds it, for one question."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Ask

from llmplan.plan.deployment import Deployment
from llmplan.planner.market import build_market
from llmplan.spec.catalog import Catalog
from llmplan.strategies import STRATEGIES, Market

Propose = Callable[..., list[Deployment]]


@pytest.fixture(scope="session")
def market(catalog: Catalog, ask: Ask) -> Callable[..., Market]:
    """The market of a question in a few words."""

    def make(model: str, **words: object) -> Market:
        words.setdefault("requests_per_s", 1.0)
        if words.get("concurrency"):
            words["requests_per_s"] = None
        question = ask(model, **words)
        return build_market(question, catalog, catalog.models[model])

    return make


@pytest.fixture(scope="session")
def propose(market: Callable[..., Market]) -> Propose:
    """Everything that a strategy proposes for a question."""

    def make(strategy_id: str, model: str, **words: object) -> list[Deployment]:
        (strategy,) = (each for each in STRATEGIES if each.id == strategy_id)
        return list(strategy.propose(market(model, **words)))

    return make
