"""What is known, read from YAML files in layers: `load_catalog(default_layers(environ), price_date=...)`.

Nothing is read until it is asked for: the mappings of the catalogue find a file by its name, and prices and
calibrations are read when first used.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from llmplan.catalogs.engines import engine_library
from llmplan.catalogs.formats import quality_library
from llmplan.catalogs.gpus import gpu_library
from llmplan.catalogs.hosts import host_library
from llmplan.catalogs.layers import default_layers
from llmplan.catalogs.lazy import LazyCatalog
from llmplan.catalogs.models import load_models
from llmplan.catalogs.packaged import packaged_profiles
from llmplan.catalogs.problem import Problem
from llmplan.catalogs.workloads import read_workload_file, read_workload_slo, workload_library
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.price import PriceBook

__all__ = [
    "Problem",
    "check",
    "default_layers",
    "load_catalog",
    "packaged_profiles",
    "read_workload_file",
    "read_workload_slo",
]


def load_catalog(layers: Sequence[Path], *, price_date: date) -> Catalog:
    """Everything that the folders in `layers` know (lowest first), with the prices of one day."""

    def read_prices() -> PriceBook:
        from llmplan.catalogs.prices import load_prices

        return load_prices(layers, price_date)

    def read_calibrations() -> tuple[Calibration, ...]:
        from llmplan.catalogs.calibrations import load_calibrations

        return load_calibrations(layers)

    return LazyCatalog(
        gpus=gpu_library(layers),
        hosts=host_library(layers),
        engines=engine_library(layers),
        models=load_models(layers),
        workloads=workload_library(layers),
        qualities=quality_library(layers),
        prices=read_prices,
        calibrations=read_calibrations,
    )


def check(layers: Sequence[Path], *, today: date | None = None) -> list[Problem]:
    """Everything that is wrong with the files in `layers`, and which prices are stale; empty if nothing is."""
    from llmplan.catalogs import audit

    return audit.check(layers, today=today)
