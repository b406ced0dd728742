"""The packaged catalogue, read once, and questions to ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

import pytest

from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.plan.deployment import Deployment
from llmplan.planner.market import build_market
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Lengths, Limits, Question, Slo, Workload
from llmplan.strategies import STRATEGIES, Market
from tests_support import Ask, Propose

PRICE_DATE = date(2026, 11, 22)


@pytest.fixture(scope="session", autouse=True)
def nothing_of_the_users_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands see the packaged profiles alone, whatever the user has configured or his cache holds."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.delenv("LLMPLAN_CATALOG", raising=False)
        yield


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The packaged profiles alone, whatever the user's own layers say, on a fixed date."""
    return load_catalog((packaged_profiles(),), price_date=PRICE_DATE)


@pytest.fixture(scope="session")
def ask() -> Ask:
    """A question from a few words."""

    def make(
        model: str,
        *,
        requests_per_s: float | None = None,
        concurrency: float | None = None,
        isl: float = 1000,
        osl: float = 300,
        context_tokens: int | None = None,
        ttft_p95_s: float | None = None,
        tpot_p95_s: float | None = None,
        tenants: int = 1,
        adapters: int = 0,
        **limits: object,
    ) -> Question:
        workload = Workload(
            requests_per_s=requests_per_s,
            concurrency=concurrency,
            input_tokens=Lengths.fixed(isl),
            output_tokens=Lengths.fixed(osl),
            context_tokens=context_tokens,
            tenants=tenants,
            adapters=adapters,
        )
        slo = Slo(ttft_p95_s=ttft_p95_s, tpot_p95_s=tpot_p95_s)
        return Question(model_id=model, workload=workload, slo=slo, limits=replace(Limits(), **limits))  # type: ignore[arg-type]

    return make


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
