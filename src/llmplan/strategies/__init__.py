"""The mission: five ways to serve a model, each a generator of deployments that pulls its own lever."""

from __future__ import annotations

from llmplan.strategies._base import Machine, Market, Strategy
from llmplan.strategies.dedicated import STRATEGY as DEDICATED
from llmplan.strategies.hybrid_offload import STRATEGY as HYBRID_OFFLOAD
from llmplan.strategies.multi_tenant import STRATEGY as MULTI_TENANT
from llmplan.strategies.quantized import STRATEGY as QUANTIZED
from llmplan.strategies.serverless import STRATEGY as SERVERLESS

STRATEGIES: tuple[Strategy, ...] = (SERVERLESS, DEDICATED, HYBRID_OFFLOAD, QUANTIZED, MULTI_TENANT)

__all__ = ["STRATEGIES", "Machine", "Market", "Strategy"]
