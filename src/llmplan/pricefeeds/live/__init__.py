"""Price lists from the network, only when asked: one module per source, one careful client for all of them."""

from llmplan.pricefeeds.live.client import Client
from llmplan.pricefeeds.live.collect import SOURCES, Outcome, collect, source_of
from llmplan.pricefeeds.live.endpoint import Endpoint, endpoint
from llmplan.pricefeeds.live.limits import FeedError, Limits

__all__ = ["SOURCES", "Client", "Endpoint", "FeedError", "Limits", "Outcome", "collect", "endpoint", "source_of"]
