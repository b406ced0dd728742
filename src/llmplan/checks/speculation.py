"""Rules on speculative decoding: what may draft, and when it pays."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, advice, error
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts

BUSY_SEQS = 128


def draft_fits_target(replica: Replica) -> Finding | None:
    """A drafting model speaks in the target's own tokens."""
    draft = replica.speculation.model if replica.speculation is not None else None
    if draft is None or replica.speculation is None or replica.speculation.drafter != "model":
        return None
    return _same_vocabulary(replica.model.vocab_size, draft.vocab_size)


def draft_is_launched_well(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """Its tensor parallelism is 1 or the target's, and it says how many tokens it drafts."""
    tp, draft_tp = replica.parallel.tp, facts.draft_tensor_parallel
    if draft_tp is not None and draft_tp not in (1, tp):
        return error(
            f"speculative_draft_tensor_parallel_size={draft_tp} cannot be other value than 1 or target model "
            f"tensor_parallel_size ({tp})",
            f'"draft_tensor_parallel_size": {tp}',
        )
    if facts.speculative_method is not None and facts.speculative_tokens is None:
        return error(
            f"num_speculative_tokens must be provided with {facts.speculative_method}.", '"num_speculative_tokens": 3'
        )
    if facts.draft_vocab_size is not None and not facts.heterogeneous_vocab:
        return _same_vocabulary(replica.model.vocab_size, facts.draft_vocab_size)
    return None if facts.heterogeneous_vocab else draft_fits_target(replica)


def _same_vocabulary(target: int, draft: int) -> Finding | None:
    if target == draft:
        return None
    return error(
        f"Target and draft model should have the same vocabulary size. Target model vocab_size={target}. "
        f"Draft model vocab_size={draft}.",
        "a draft model of the same family, or use_heterogeneous_vocab",
    )


def speculation_suits_load(replica: Replica) -> Finding | None:
    """Drafting spends arithmetic to save steps: it pays while a step is bound by memory."""
    if replica.speculation is None or replica.settings.max_num_seqs < BUSY_SEQS:
        return None
    return _busy(replica.settings.max_num_seqs)


def speculation_suits_launch(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """The same of a launch that states only how it drafts."""
    if facts.speculative_method is None or replica.settings.max_num_seqs < BUSY_SEQS:
        return speculation_suits_load(replica)
    return _busy(replica.settings.max_num_seqs)


def _busy(seqs: int) -> Finding:
    return advice(
        f"Speculative decoding speeds up few requests at once and slows many down; this replica admits {seqs}.",
        f"--max-num-seqs {BUSY_SEQS // 2}, or no speculation on busy replicas",
    )


def draft_goes_with_groups(replica: Replica) -> Finding | None:
    """Only the model's own layers draft where groups attend to requests of their own."""
    planned = replica.speculation
    return _beside_groups(replica, planned is not None and planned.drafter in ("ngram", "model"))


def draft_is_launched_with_groups(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """The same of a launch that names its method."""
    if facts.speculative_method is None:
        return draft_goes_with_groups(replica)
    return _beside_groups(replica, facts.speculative_method.upper() in ("NGRAM", "STANDALONE"))


def _beside_groups(replica: Replica, foreign: bool) -> Finding | None:
    if not foreign or replica.parallel.dp == 1 or not replica.model.is_moe:
        return None
    return error(
        "Currently ngram and standalone speculative decoding do not support dp attention.",
        "--dp 1, or drafts by the model's own layers",
    )


RULES: tuple[Rule, ...] = (
    Rule(
        id="S-9", engines=("sglang",), severities=("error",), find=draft_goes_with_groups,
        find_in_launch=draft_is_launched_with_groups,
        title="With data-parallel attention only the model's own layers draft in SGLang.",
        says="Currently ngram speculative decoding does not support dp attention.",
        source="SGLang 0.5.23 srt/arg_groups/speculative_hook.py:1078-1085, 1367-1371", basis=("code", "tried"),
    ),
    Rule(
        id="V-SP1", engines=("vllm",), severities=("error",), find=draft_fits_target,
        find_in_launch=draft_is_launched_well,
        title="A draft model has the target's vocabulary, TP 1 or the target's, and a number of tokens.",
        says="speculative_draft_tensor_parallel_size={n} cannot be other value than 1 or target model "
        "tensor_parallel_size",
        source="vLLM 0.33.0 vllm/config/speculative.py:1849-1870, 1941-2066", basis=("code",),
    ),
    Rule(
        id="V-SP2", engines=(), severities=("advice",), find=speculation_suits_load,
        find_in_launch=speculation_suits_launch, title="Speculation is for few requests at once.", says="",
        source="snowflakedb/ArcticInference#185; vllm-project/vllm#49548; sgl-project/sglang#6949", basis=("issue",),
    ),
)  # fmt: skip
