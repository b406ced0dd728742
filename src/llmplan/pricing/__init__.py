"""What a deployment costs per month of 730 hours, every line with the price row behind it."""

from llmplan.pricing.cheapest import cheapest_usd_per_gpu_hour, least_usd_per_month
from llmplan.pricing.commitment import (
    break_even_months,
    committed_usd,
    committed_years,
    flexible_twin,
    upfront_usd,
)
from llmplan.pricing.cpu import cheapest_cpu
from llmplan.pricing.drift import moved_prices
from llmplan.pricing.market import MarketMedian, SellerMedian, market_medians, median_fact
from llmplan.pricing.quote import quote
from llmplan.pricing.reprice import reprice
from llmplan.pricing.sellers import seller_names
from llmplan.pricing.serverless import platforms as serverless_offers
from llmplan.pricing.tiers import fact_usd, tiered_usd
from llmplan.pricing.tokens import listings as token_offers

__all__ = [
    "MarketMedian",
    "SellerMedian",
    "break_even_months",
    "cheapest_cpu",
    "cheapest_usd_per_gpu_hour",
    "committed_usd",
    "committed_years",
    "fact_usd",
    "flexible_twin",
    "least_usd_per_month",
    "market_medians",
    "median_fact",
    "moved_prices",
    "quote",
    "reprice",
    "seller_names",
    "serverless_offers",
    "tiered_usd",
    "token_offers",
    "upfront_usd",
]
