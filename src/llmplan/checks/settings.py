"""Rules on scheduler limits, context, LoRA adapters and what lives in host memory."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, advice, error, warning
from llmplan.plan.deployment import Replica
from llmplan.units import GIB


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


def adapters_fit_engine(replica: Replica) -> Finding | None:
    """Engines load LoRA adapters of certain ranks, if any."""
    tenancy = replica.tenancy
    if tenancy is None or tenancy.adapters == 0:
        return None
    if not replica.engine.multi_lora:
        return error(f"{replica.engine.ref} serves no LoRA adapters per request.", "--engine vllm")
    ranks = replica.engine.max_lora_ranks
    if not ranks or tenancy.lora_rank in ranks:
        return None
    larger = [rank for rank in ranks if rank >= tenancy.lora_rank]
    if not larger:
        return error(
            f"LoRA rank {tenancy.lora_rank} is greater than max_lora_rank {max(ranks)}.",
            f"adapters of rank {max(ranks)} or less",
        )
    return advice(
        f"There is no max_lora_rank {tenancy.lora_rank}: memory is set aside for rank {min(larger)}.",
        f"--max-lora-rank {min(larger)}",
    )


def streamed_weights_are_slow(replica: Replica) -> Finding | None:
    """Weights in host memory cross PCIe at every step."""
    if replica.offload is None or replica.offload.kind != "weights":
        return None
    if not replica.engine.host_weights:
        return error(f"{replica.engine.ref} keeps no weights in host memory.", "--engine vllm or llama-cpp")
    gib = replica.offload.host_weight_bytes / GIB
    return warning(
        f"{gib:.1f} GiB of weights cross PCIe at every step (measured elsewhere: 2434 to 120 tokens/s); "
        "never worth it where the weights fit.",
        "more GPUs (--tp), or a smaller --weights format",
    )


def host_layers_are_known(replica: Replica) -> Finding | None:
    """Few engines compute layers on the CPU or spill the cache."""
    offload = replica.offload
    if offload is None or offload.kind == "weights":
        return None
    if offload.kind in ("layers", "experts") and not replica.engine.host_layers:
        return error(f"{replica.engine.ref} runs no layers on the CPU.", "--engine llama-cpp")
    if offload.kind == "layers" and offload.host_layers > replica.model.layer_count:
        return error(
            f"{offload.host_layers} layers on the CPU: the model has {replica.model.layer_count}.",
            f"at most {replica.model.layer_count} layers",
        )
    if offload.kind == "kv" and not replica.engine.host_kv:
        return error(f"{replica.engine.ref} keeps no KV blocks in host memory.", "--engine vllm")
    return None


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


_SUPPORTED_MODELS = "TensorRT-LLM docs/source/models/supported-models.md"
RULES: tuple[Rule, ...] = (
    Rule(
        id="V-S2", engines=("vllm",), find=batch_holds_sequences, source="vLLM 0.33.0 vllm/config/scheduler.py:317-336"
    ),
    Rule(id="V-S3", engines=(), find=context_is_known_to_model, source="vLLM 0.33.0 vllm/config/model.py:2634-2688"),
    Rule(
        id="V-L1", engines=(), find=adapters_fit_engine,
        source="vLLM 0.33.0 vllm/config/lora.py:27-36, lora/peft_helper.py:188-202",
    ),
    Rule(
        id="V-O1", engines=(), find=streamed_weights_are_slow,
        source="vLLM 0.33.0 vllm/config/offload.py:22-125; vllm-project/vllm#57771",
    ),
    Rule(id="O-1", engines=(), find=host_layers_are_known, source="the engine's profile, host_layers and host_kv"),
    Rule(id="L-1", engines=("llama-cpp",), find=context_is_per_slot, source="ggml-org/llama.cpp#11681, #23652"),
    Rule(id="T-5", engines=("tensorrt-llm",), find=gguf_is_read, source=_SUPPORTED_MODELS),
    Rule(id="T-5", engines=("tensorrt-llm",), find=latent_reuse_is_supported, source=_SUPPORTED_MODELS),
)  # fmt: skip
