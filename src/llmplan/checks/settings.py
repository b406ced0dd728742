"""Rules on scheduler limits and context, and on models that one engine does not take."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, advice, error, warning
from llmplan.plan.deployment import Replica
from llmplan.plan.engine_rule import in_range
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.units import GIB

LOGIT_BYTES = 4
SGLANG_ASSUMED_TOKENS = 2048
"""context of a model whose config states none"""
COMPILERS = ("trtllm-build", "convert_checkpoint.py", "trtllm-refit", "trtllm-prune")


def batch_holds_sequences(replica: Replica) -> Finding | None:
    """Each running sequence takes at least one token of a step."""
    tokens, seqs = replica.settings.max_num_batched_tokens, replica.settings.max_num_seqs
    if tokens >= seqs:
        return None
    return error(
        f"max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs ({seqs}).",
        f"--max-num-batched-tokens {seqs}",
    )


def context_is_known_to_model(replica: Replica) -> Finding | None:
    """The model was made for so many tokens and no more."""
    asked, most = replica.settings.max_model_len, replica.model.max_context_tokens
    if asked <= most:
        return None
    return error(
        f"User-specified max_model_len ({asked}) is greater than the derived max_model_len ({most}).",
        f"--max-model-len {most}",
    )


def unstated_context_is_short(replica: Replica) -> Finding | None:
    """SGLang takes a short context for models that state none, and refuses a longer one."""
    asked = replica.settings.max_model_len
    if replica.model.states_context or asked <= SGLANG_ASSUMED_TOKENS:
        return None
    return error(
        f"User-specified context_length ({asked}) is greater than the derived context_length "
        f"({SGLANG_ASSUMED_TOKENS}): the config of {replica.model.id} states none. To allow overriding this maximum, "
        "set the env var SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN=1.",
        f"--max-model-len {SGLANG_ASSUMED_TOKENS}",
    )


def whole_prompts_fit_a_step(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """Without chunked prefill a step holds a whole prompt."""
    tokens, length = replica.settings.max_num_batched_tokens, replica.settings.max_model_len
    if facts.chunked_prefill is False and tokens < length:
        return error(
            f"max_num_batched_tokens ({tokens}) is smaller than max_model_len ({length}). This effectively limits the "
            "maximum sequence length to max_num_batched_tokens and makes vLLM reject longer sequences.",
            f"--enable-chunked-prefill, or --max-num-batched-tokens {length}",
        )
    return batch_holds_sequences(replica)


def limits_are_written_out(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """A default that depends on the GPU's memory is another one on another GPU."""
    settings = replica.settings
    if facts.stated is None or "max_num_seqs" in facts.stated:
        return None
    defaults = sorted({default.max_num_seqs for default in replica.engine.scheduler_defaults})
    logits = settings.max_num_seqs * replica.model.vocab_size * LOGIT_BYTES
    return advice(
        f"max_num_seqs is left to the default, {settings.max_num_seqs} on {replica.gpu.id} and elsewhere "
        f"{' or '.join(map(str, defaults))}: the start warms the sampler up with as many sequences "
        f"({logits / GIB:.2g} GiB of logits here).",
        f"--max-num-seqs {settings.max_num_seqs} --max-num-batched-tokens {settings.max_num_batched_tokens}",
    )


def graphs_hold_the_batch(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """Decode batches beyond the captured ones run without CUDA graphs."""
    seqs, graphs = replica.settings.max_num_seqs, facts.cuda_graph_seqs
    if facts.stated is None or "max_num_seqs" not in facts.stated or replica.settings.enforce_eager:
        return None
    if graphs is None:
        try:
            default = replica.engine.scheduler_default(
                replica.gpu.memory_bytes, replica.gpu.architecture, replica.parallel.tp
            )
        except ValueError:
            return None
        graphs = default.captured_seqs(seqs)
    if seqs <= graphs:
        return None
    return advice(
        f"max_running_requests is {seqs} and CUDA graphs are captured up to {graphs} sequences on {replica.gpu.id}: "
        "larger decode steps run without.",
        f"--cuda-graph-max-bs-decode {seqs}, or --max-running-requests {graphs}",
    )


def slots_share_or_divide(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """A unified cache is shared; else a launch that states its context says what each slot gets."""
    slots, tokens = replica.settings.max_num_seqs, replica.settings.max_model_len
    asked = facts.asked_context_tokens
    if slots == 1 or facts.kv_unified:
        return None
    if asked is None:
        return context_is_per_slot(replica)
    return advice(
        f"-np {slots} divides -c {asked} by {slots}: each request has {tokens} tokens, and stops with 'Context size "
        "has been exceeded' beyond.",
        f"-c {asked * slots} -np {slots} for {asked} tokens each, or --kv-unified",
    )


def context_is_per_slot(replica: Replica) -> Finding | None:
    """llama-server divides its context among the slots."""
    slots, tokens = replica.settings.max_num_seqs, replica.settings.max_model_len
    if slots == 1:
        return None
    return advice(
        f"-np {slots} divides -c by {slots}: for {tokens} tokens a slot the launch needs -c {slots * tokens}, or "
        "requests stop with 'Context size has been exceeded'.",
        f"-c {slots * tokens} -np {slots}",
    )


def gguf_is_read(replica: Replica) -> Finding | None:
    """TensorRT-LLM reads Hugging Face checkpoints only."""
    if replica.weights.family != "gguf":
        return None
    return error(f"{replica.engine.ref} does not read GGUF files.", "--engine llama-cpp")


def latent_reuse_is_supported(replica: Replica) -> Finding | None:
    """Latent attention reuses its cache on data-centre Hopper and Blackwell, and on SM120."""
    capability = replica.gpu.compute_capability
    if capability is None or not replica.model.is_mla or capability[0] in (9, 10, 12):
        return None
    return warning(
        f"KV reuse and chunked prefill of latent attention are not supported on {replica.gpu.name}.",
        "GPUs of compute capability 9.0, 10.0 or 12.0",
    )


def model_is_supported(replica: Replica) -> Finding | None:
    """What it reads, and what it does with latent caches."""
    return gguf_is_read(replica) or latent_reuse_is_supported(replica)


def engine_is_not_compiled(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """Checkpoints are served as they are; what compiled them first is gone from the newest version."""
    if facts.program not in COMPILERS:
        return None
    message = f"{facts.program}: the TensorRT backend has been removed; checkpoints are served as they are."
    fix = f"trtllm-serve {replica.model.id}"
    return error(message, fix) if in_range(replica.engine.version, ">=1.3") else warning(message, fix)


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-S2", engines=("vllm",), severities=("error",), find=batch_holds_sequences,
        find_in_launch=whole_prompts_fit_a_step,
        title="A step has a token for each sequence, and without chunked prefill room for a whole prompt.",
        says="max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs ({seqs}).",
        source="vLLM 0.33.0 vllm/config/scheduler.py:317-336", basis=("code",),
    ),
    Rule(
        id="V-S3", engines=(), severities=("error",), find=context_is_known_to_model,
        title="The context is no longer than the model was made for.",
        says="User-specified max_model_len ({asked}) is greater than the derived max_model_len ({most}).",
        source="vLLM 0.33.0 vllm/config/model.py:2634-2688", basis=("code",),
    ),
    Rule(
        id="V-S1", engines=("vllm",), severities=("advice",), find_in_launch=limits_are_written_out,
        title="Scheduler limits are written out: the defaults move with the GPU's memory.",
        says="CUDA out of memory occurred when warming up sampler with {seqs} dummy requests.",
        source="vLLM 0.33.0 vllm/engine/arg_utils.py:2970-3036; vllm-project/vllm#15105, #27508",
        basis=("code", "issue"),
    ),
    Rule(
        id="S-8", engines=("sglang",), severities=("error",), find=unstated_context_is_short,
        title="SGLang runs a model whose config states no context length with 2048 tokens.",
        says="User-specified context_length ({asked}) is greater than the derived context_length (2048).",
        source="SGLang 0.5.23 srt/utils/hf_transformers/common.py:668-694, srt/configs/model_config.py:1291-1313",
        basis=("code", "tried"),
    ),
    Rule(
        id="S-4", engines=("sglang",), severities=("advice",), find_in_launch=graphs_hold_the_batch,
        title="SGLang captures CUDA graphs up to a batch that it chooses by GPU memory; larger steps run without.",
        says="", source="SGLang 0.5.23 srt/arg_groups/memory_hook.py:88-140", basis=("code",),
    ),
    Rule(
        id="L-1", engines=("llama-cpp",), severities=("advice",), find=context_is_per_slot,
        find_in_launch=slots_share_or_divide, title="llama-server divides its context among its slots.",
        says="Context size has been exceeded", source="ggml-org/llama.cpp#11681, #23652", basis=("issue",),
    ),
    Rule(
        id="T-5", engines=("tensorrt-llm",), severities=("error", "warning"), find=model_is_supported,
        title="TensorRT-LLM reads no GGUF files, and reuses latent caches on some GPUs only.", says="",
        source="TensorRT-LLM docs/source/models/supported-models.md", basis=("docs",),
    ),
    Rule(
        id="T-1", engines=("tensorrt-llm",), versions=">=1.0", severities=("error", "warning"),
        find_in_launch=engine_is_not_compiled,
        title="The TensorRT backend is gone: serve the checkpoint itself with trtllm-serve.",
        says="{program}: the TensorRT backend has been removed",
        source="TensorRT-LLM Migration Guide: TensorRT Backend Removed; NVIDIA/TensorRT-LLM#15767", basis=("docs",),
    ),
)  # fmt: skip
