"""From flags to what a replica does besides: work on the host, adapters, speculation. Only what is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmplan.errors import UsageError
from llmplan.units import GIB

if TYPE_CHECKING:
    from llmplan.cli._options import ReplicaFlags
    from llmplan.plan.deployment import Offload, Tenancy
    from llmplan.plan.speculation import Speculation
    from llmplan.spec.model import ModelSpec

MAX_POOL = 10_000


def offload_of(flags: ReplicaFlags, model: ModelSpec) -> Offload | None:
    """What lives in host memory; at most one way."""
    from llmplan.plan.deployment import Offload
    from llmplan.plan.expert_layers import routed_among_first

    stated = {
        "--host-layers": flags.host_layers, "--experts-on-cpu": flags.experts_on_cpu,
        "--cpu-offload-gb": flags.cpu_offload_gb,
    }  # fmt: skip
    given = [name for name, value in stated.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are different ways of using host memory: give one of them")
    if flags.host_layers is not None:
        return Offload(kind="layers", host_layers=flags.host_layers)
    if flags.experts_on_cpu is not None:
        if not routed_among_first(model, flags.experts_on_cpu):
            what = (
                "routes to no experts" if not model.is_moe else f"has none in its first {flags.experts_on_cpu} layers"
            )
            raise UsageError(f"--experts-on-cpu {flags.experts_on_cpu}: {model.id} {what}", hints=["--host-layers N"])
        return Offload(kind="experts", host_layers=min(flags.experts_on_cpu, model.layer_count))
    if flags.cpu_offload_gb is not None:
        return Offload(kind="weights", host_weight_bytes=round(flags.cpu_offload_gb * GIB))
    return None


def tenancy_of(flags: ReplicaFlags) -> Tenancy | None:
    """The adapters to serve beside the model."""
    from llmplan.plan.deployment import Tenancy

    if flags.adapters is None:
        if flags.lora_rank is not None:
            raise UsageError("--lora-rank is the rank of adapters: say how many", hints=["--adapters N"])
        return None
    return Tenancy(tenants=1, adapters=flags.adapters, lora_rank=flags.lora_rank or Tenancy(tenants=1).lora_rank)


def speculation_of(flags: ReplicaFlags, model: ModelSpec, find: Callable[[str], ModelSpec]) -> Speculation | None:
    """How tokens are drafted; the acceptance rate depends on the text and is the user's to state."""
    from llmplan import memory
    from llmplan.plan.speculation import Speculation

    if flags.speculative_tokens is None:
        stray = {"--acceptance-rate": flags.acceptance_rate, "--draft-model": flags.draft_model}
        for name in (name for name, value in stray.items() if value is not None):
            raise UsageError(f"{name} needs --speculative-tokens", hints=["--speculative-tokens 3"])
        return None
    if flags.acceptance_rate is None:
        raise UsageError(
            "--speculative-tokens needs --acceptance-rate: it depends on the text, and engines log it",
            hints=["--acceptance-rate 0.7"],
        )
    drafter = flags.draft_model or ("mtp" if model.draft else None)
    if drafter is None or (drafter == "mtp" and not model.draft):
        raise UsageError(
            f"what drafts? {model.id} has no layers of its own for it",
            hints=["--draft-model eagle", "--draft-model MODEL, a small one with the same vocabulary"],
        )
    how = {"tokens": flags.speculative_tokens, "acceptance_rate": flags.acceptance_rate}
    if drafter in ("mtp", "eagle", "ngram"):
        return Speculation(drafter=drafter, **how)  # type: ignore[arg-type]
    found = find(drafter)
    if abs(found.vocab_size - model.vocab_size) > 0.02 * model.vocab_size:
        raise UsageError(
            f"{found.id} has {found.vocab_size:,} tokens and {model.id} {model.vocab_size:,}: a draft needs the same "
            "vocabulary",
            hints=["--draft-model eagle"],
        )
    return Speculation(drafter="model", model=found, weights=memory.weight_format("auto", found), **how)  # type: ignore[arg-type]


def pools_of(text: str) -> tuple[int, int]:
    """Prefill and decode replicas of `--disaggregate P:D`.

    >>> pools_of("2:6")
    (2, 6)
    """
    parts = text.split(":")
    if len(parts) != 2 or not all(part.strip().isdigit() and 0 < int(part) <= MAX_POOL for part in parts):
        raise UsageError(
            f"--disaggregate is P:D, replicas that prefill and that decode, not {text!r}", hints=["--disaggregate 1:3"]
        )
    return int(parts[0]), int(parts[1])
