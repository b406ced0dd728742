"""Narrow the catalogue to what the user's limits allow, before any strategy sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from llmplan import memory, pricing
from llmplan.errors import UsageError
from llmplan.plan.hosts import host_for
from llmplan.spec.catalog import Catalog
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS
from llmplan.spec.model import ModelSpec
from llmplan.spec.workload import Limits, Question
from llmplan.strategies import Machine, Market
from llmplan.strategies._base import host_from_inventory
from llmplan.strategies._replica import longest_request_tokens

DEFAULT_ENGINES = ("vllm", "llama-cpp")
"""vLLM for everything on a GPU, llama.cpp where layers run on the CPU; others when asked for by name"""


def build_market(question: Question, catalog: Catalog, model: ModelSpec) -> Market:
    """Machines, engines and formats that the question may be answered with."""
    check_question(question, model)
    limits = question.limits
    return Market(
        question=question,
        model=model,
        hourly=tuple(owned_machines(limits, catalog) if limits.inventory else rented_machines(limits, catalog)),
        serverless=() if limits.inventory or limits.privacy == "air-gapped" else tuple(per_second(limits, catalog)),
        engines=engines(limits, catalog),
        weight_formats={each.id: each for each in WEIGHT_FORMATS}
        | {model.checkpoint_format: memory.weight_format("auto", model)},
        kv_formats={each.id: each for each in KV_FORMATS},
        token_api=limits.privacy == "any" and limits.inventory is None and not limits.gpu_ids,
    )


def check_question(question: Question, model: ModelSpec) -> None:
    """Refuse a question that contradicts the model."""
    wanted = longest_request_tokens(question.workload)
    if wanted > model.max_context_tokens:
        raise UsageError(
            f"requests of up to {wanted:,} tokens exceed the {model.max_context_tokens:,}-token context of {model.id}",
            hints=["lower --isl, --osl or --context-tokens", "llmplan catalog list models"],
        )


def engines(limits: Limits, catalog: Catalog) -> dict[str, EngineSpec]:
    """The engines that may be used, by bare id."""
    wanted = limits.engine_ids or DEFAULT_ENGINES
    found = (catalog.engines[name] for name in wanted)
    return {engine.id: engine for engine in found}


def rented_machines(limits: Limits, catalog: Catalog) -> Iterable[Machine]:
    """Every GPU that somebody offers by the hour within the limits."""
    if limits.privacy == "air-gapped":
        return
    for gpu_id in sorted({offer.gpu_id for offer in catalog.prices.hourly}):
        if not allowed_gpu(gpu_id, limits, catalog):
            continue
        if pricing.cheapest_usd_per_gpu_hour(gpu_id, limits, catalog.prices) is None:
            continue
        gpu = catalog.gpus[gpu_id]
        if gpu.is_nvidia:
            host = host_for(gpu, catalog.hosts)
            yield Machine(gpu=gpu, host=host, network_known=host.network_bytes_per_s is not None)


def per_second(limits: Limits, catalog: Catalog) -> Iterable[Machine]:
    """Every GPU that somebody offers by the second, scaling to zero, within the limits."""
    for gpu_id in sorted({offer.gpu_id for offer in catalog.prices.serverless}):
        if not allowed_gpu(gpu_id, limits, catalog) or not pricing.serverless_offers(gpu_id, limits, catalog.prices):
            continue
        gpu = catalog.gpus[gpu_id]
        if gpu.is_nvidia:
            yield Machine(gpu=gpu, host=host_for(gpu, catalog.hosts))


def owned_machines(limits: Limits, catalog: Catalog) -> Iterable[Machine]:
    """The user's own hardware; NVML's memory total replaces the catalogue's where it was read."""
    assert limits.inventory is not None
    for group in limits.inventory.groups:
        gpu = catalog.gpus[group.gpu_id]
        if group.gpu_memory_bytes is not None:
            gpu = replace(gpu, memory_bytes=group.gpu_memory_bytes)
        template = host_for(gpu, catalog.hosts, gpus=group.gpus_per_node)
        host = host_from_inventory(group, template, limits.network_bytes_per_s)
        yield Machine(gpu=gpu, host=host, gpus_available=group.gpus, network_known=host.network_bytes_per_s is not None)


def allowed_gpu(gpu_id: str, limits: Limits, catalog: Catalog) -> bool:
    """Whether the user's `--gpu` leaves it in and the catalogue knows it."""
    if limits.gpu_ids:
        return gpu_id in limits.gpu_ids
    return gpu_id in catalog.gpus
