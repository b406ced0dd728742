"""Offers sorted by what is asked of them, once per price book, since a plan asks about a thousand times."""

from __future__ import annotations

import re
from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from llmplan.spec.price import HourlyOffer, PriceBook, ServerlessOffer, TokenOffer

T = TypeVar("T")

_KEPT: Final = 4
_QUANTIZED = re.compile(
    r"[-_](fp8|fp8-dynamic|nvfp4|mxfp4|fp4|awq|gptq|int4|int8|w4a16|w8a8|bf16|awq-int4|gptq-int4|quantized\.\w+)$"
)


@dataclass(slots=True)
class PriceIndex:
    """Offers by GPU and by model, and answers that were computed before."""

    prices: PriceBook
    hourly: dict[str, tuple[HourlyOffer, ...]]
    serverless: dict[str, tuple[ServerlessOffer, ...]]
    tokens: dict[str, tuple[TokenOffer, ...]]
    answers: dict[Hashable, Any] = field(default_factory=dict)


_INDEXES: OrderedDict[int, PriceIndex] = OrderedDict()
"""by identity of the price book, which the index keeps alive; a pure function's memory, nothing depends on it"""


def index_of(prices: PriceBook) -> PriceIndex:
    """The index of a price book."""
    key = id(prices)
    found = _INDEXES.get(key)
    if found is None or found.prices is not prices:
        found = PriceIndex(
            prices=prices,
            hourly=_group((offer.gpu_id, offer) for offer in prices.hourly),
            serverless=_group((offer.gpu_id, offer) for offer in prices.serverless),
            tokens=_group((model_key(offer.model_id), offer) for offer in prices.tokens),
        )
        _INDEXES[key] = found
        while len(_INDEXES) > _KEPT:
            _INDEXES.popitem(last=False)
    return found


def model_key(model_id: str) -> str:
    """A model whatever its checkpoint's number format: to a seller by the token they are one model.

    >>> model_key("Qwen/Qwen3-32B-FP8") == model_key("qwen/qwen3-32b")
    True
    """
    return _QUANTIZED.sub("", model_id.casefold())


def _group(pairs: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for key, offer in pairs:
        groups[key].append(offer)
    return {key: tuple(group) for key, group in groups.items()}
