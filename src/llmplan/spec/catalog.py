"""Everything known, by id. The mappings may be lazy: a command reads only the files that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmplan.spec.calibration import Calibration
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import FormatQuality
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.price import PriceBook
from llmplan.spec.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What strategies and the planner draw on."""

    gpus: Mapping[str, GpuSpec]
    hosts: Mapping[str, HostSpec]
    engines: Mapping[str, EngineSpec]
    models: Mapping[str, ModelSpec]
    workloads: Mapping[str, Workload]
    calibrations: tuple[Calibration, ...]
    qualities: Mapping[str, FormatQuality]
    """measured quality loss by weight-format id; a format without an entry has no known figure"""
    prices: PriceBook
