"""Speculative decoding in bytes: the weights of what drafts tokens, and its share of the KV pool."""

from __future__ import annotations

from llmplan.memory.kv_cache import kv_bytes_per_token_per_gpu
from llmplan.memory.shards import weights_on_rank
from llmplan.plan.cache import CacheLayout
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.speculation import OWN_LAYERS, drafting_model


def draft_weight_bytes(replica: Replica) -> float:
    """Weights on one GPU of what drafts tokens [bytes].

    replica: its speculation and ranks. A model of its own: all of it over TP; layers of the model's own (`mtp`,
    `eagle`): without embedding and output matrix, which are the model's.
    Valid for vLLM 0.33, which cuts a drafting model over the same ranks. Reference: vLLM 0.33
    v1/spec_decode/eagle.py (shares embed_tokens and lm_head).
    """
    speculation = replica.speculation
    model = drafting_model(replica.model, speculation) if speculation and speculation.tokens else None
    if speculation is None or model is None:
        return 0.0
    share = weights_on_rank(model, speculation.weights or replica.weights, _ranks(replica), replica.engine)
    if speculation.drafter in OWN_LAYERS:
        return share.layer_bytes
    return share.stage_bytes(embedding_on_host=replica.engine.host_layers)


def draft_cache_share(replica: Replica, layout: CacheLayout) -> float:
    """Share of the KV pool that is left for the model itself [-].

    replica: its speculation; layout: the model's own cache.
    c / (c + c_draft) with the bytes c of one token. Valid where both keep every token: pools are cut into as many
    blocks for either. Reference: SGLang 0.5.23 model_executor/pool_configurator.py (cell x (1 + draft layers /
    layers)).
    """
    speculation = replica.speculation
    model = drafting_model(replica.model, speculation) if speculation and speculation.tokens else None
    if model is None or layout.token_bytes <= 0:
        return 1.0
    drafts = kv_bytes_per_token_per_gpu(model, replica.kv, _ranks(replica))
    return layout.token_bytes / (layout.token_bytes + drafts)


def _ranks(replica: Replica) -> Parallelism:
    """Those of one pipeline stage: the last one drafts."""
    return Parallelism(tp=replica.parallel.tp, dp=replica.parallel.dp, ep=replica.parallel.ep)
