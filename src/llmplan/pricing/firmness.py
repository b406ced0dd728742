"""Which offers count: a firm, dated one displaces a vague one, so that no old or averaged price wins by being low."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from llmplan.spec.price import HourlyOffer, ServerlessOffer

O = TypeVar("O", HourlyOffer, ServerlessOffer)  # noqa: E741

QUALITY_RANK: Final = {"listed": 0, "derived": 1, "advertised": 2, "average": 3}


def drop_undated(offers: Sequence[O]) -> list[O]:
    """Without the undated offers of a seller that also has dated ones of the same kind: those are newer."""
    dated = {_seller_and_term(offer) for offer in offers if offer.from_date is not None}
    return [offer for offer in offers if offer.from_date is not None or _seller_and_term(offer) not in dated]


def prefer(offers: Sequence[O], *weak: str) -> list[O]:
    """Without the offers of `weak` quality, unless there are no others."""
    firm = [offer for offer in offers if offer.quality not in weak]
    return firm or list(offers)


def _seller_and_term(offer: HourlyOffer | ServerlessOffer) -> tuple[str, str]:
    return offer.provider, offer.term if isinstance(offer, HourlyOffer) else ""
