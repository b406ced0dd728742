"""The packaged catalogue, read once, and questions to ask of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Lengths, Limits, Question, Slo, Workload

PRICE_DATE = date(2026, 11, 22)

Ask = Callable[..., Question]


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
