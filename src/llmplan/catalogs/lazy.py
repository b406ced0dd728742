"""A catalogue whose prices and calibrations are read when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import FormatQuality
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.price import PriceBook
from llmplan.spec.workload import Workload

T = TypeVar("T")


class LazyCatalog(Catalog):
    """`prices` and `calibrations` may be given as functions that read them; each is called at most once."""

    __slots__ = ("_calibrations", "_prices")
    _prices: _Once[PriceBook]
    _calibrations: _Once[tuple[Calibration, ...]]

    def __init__(
        self,
        *,
        gpus: Mapping[str, GpuSpec],
        hosts: Mapping[str, HostSpec],
        engines: Mapping[str, EngineSpec],
        models: Mapping[str, ModelSpec],
        workloads: Mapping[str, Workload],
        qualities: Mapping[str, FormatQuality],
        prices: PriceBook | Callable[[], PriceBook],
        calibrations: tuple[Calibration, ...] | Callable[[], tuple[Calibration, ...]],
    ) -> None:
        for name, value in (
            ("gpus", gpus), ("hosts", hosts), ("engines", engines), ("models", models),
            ("workloads", workloads), ("qualities", qualities),
            ("_prices", _Once(prices)), ("_calibrations", _Once(calibrations)),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def prices(self) -> PriceBook:
        """Every offer of the catalogue's price date."""
        return self._prices.value

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """Coefficients per engine and GPU generation."""
        return self._calibrations.value


class _Once(Generic[T]):
    """A value, or a function that is called for it the first time somebody looks."""

    def __init__(self, source: T | Callable[[], T]) -> None:
        self._source = source

    @property
    def value(self) -> T:
        if callable(self._source):
            self._source = self._source()
        return self._source
