"""Which sellers and regions the limits allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from llmplan.spec.price import GLOBAL_REGION, HourlyOffer, PriceBook, Provider, ServerlessOffer, TokenOffer
from llmplan.spec.workload import Limits

Offer: TypeAlias = HourlyOffer | ServerlessOffer | TokenOffer
LimitsKey: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], bool]


def limits_key(limits: Limits) -> LimitsKey:
    """The part of the limits that decides about sellers; equal keys allow equal offers."""
    return limits.provider_ids, limits.regions, limits.include_marketplaces


def seller_names(prices: PriceBook) -> frozenset[str]:
    """Every name under which a seller can be asked for: ids, aliases and companies."""
    names: set[str] = set()
    for provider in prices.providers.values():
        names |= _own_names(provider)
        if provider.company:
            names.add(provider.company.casefold())
    return frozenset(names)


def allowed(limits: Limits, providers: Mapping[str, Provider]) -> Callable[[Offer], bool]:
    """A test for offers. A company's name stands for all its products, except that a marketplace has to be named
    itself (or marketplaces included). An offer without regions (`global`) holds in every region."""
    wanted = {name.casefold() for name in limits.provider_ids}
    regions = {name.casefold() for name in limits.regions}
    sellers = {
        provider.id for provider in providers.values() if _is_allowed(provider, wanted, limits.include_marketplaces)
    }

    def accept(offer: Offer) -> bool:
        if offer.provider not in sellers:
            return False
        return not regions or offer.region == GLOBAL_REGION or offer.region.casefold() in regions

    return accept


def _own_names(provider: Provider) -> set[str]:
    return {provider.id.casefold(), *(alias.casefold() for alias in provider.aliases)}


def _is_allowed(provider: Provider, wanted: set[str], include_marketplaces: bool) -> bool:
    named = bool(_own_names(provider) & wanted)
    if provider.tier == "marketplace" and not (named or include_marketplaces):
        return False
    return not wanted or named or (provider.company or "").casefold() in wanted
