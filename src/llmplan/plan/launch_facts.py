"""What a launch states beside the replica: its other settings, and the machine as it is found at the start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFacts:
    """One LoRA adapter, as its `adapter_config.json` says."""

    name: str
    rank: int | None = None
    dora: bool = False
    bias: str = "none"
    layer_replication: bool = False
    activated: bool = False
    """aLoRA: it acts from a certain token on"""
    modules_to_save: tuple[str, ...] = ()
    target_modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFacts:
    """Everything is optional: None, or empty, is `not stated`, and a rule that needs it is silent.

    `stated` names the settings of `EngineSettings` that the launch states itself; the others are the engine's defaults.
    """

    program: str | None = None
    """the command that is started (`vllm`, `trtllm-build`, ...)"""
    platform: str | None = None
    """what runs it, where that has rules of its own (`kserve`)"""
    stated: frozenset[str] | None = None
    asked_context_tokens: int | None = None
    """the context that all slots share (llama.cpp -c)"""
    kv_unified: bool | None = None
    chunked_prefill: bool | None = None
    attention_backend: str | None = None
    moe_backend: str | None = None
    kv_dtype: str | None = None
    """the KV cache type, in the engine's own name for it"""
    quantization: str | None = None
    """the quantization method that is asked for, in the engine's own name for it"""
    stored_format: str | None = None
    """the format of the checkpoint that is named, where it is another one than the model's own"""
    data_parallel_local: int | None = None
    """data parallel ranks on this node"""
    data_parallel_backend: str | None = None
    cuda_graph_seqs: int | None = None

    eplb: bool = False
    expert_parallel: bool = False
    """whether expert parallelism is asked for, be it on one rank"""
    nodes: int | None = None
    executor_backend: str | None = None
    master_address: str | None = None
    gpus_per_node: int | None = None
    """GPUs that one machine has"""
    gpu_names: tuple[str, ...] = ()
    """one name for each GPU of the launch, where they are not all known to be alike"""
    gpu_memory_bytes: tuple[int, ...] = ()
    """memory of each of them"""
    free_memory_bytes: int | None = None
    """least free memory of a GPU when the engine starts"""
    mig_slices: int | None = None

    draft_tensor_parallel: int | None = None
    draft_vocab_size: int | None = None
    heterogeneous_vocab: bool = False
    speculative_method: str | None = None
    speculative_tokens: int | None = None

    lora: bool = False
    max_loras: int | None = None
    max_cpu_loras: int | None = None
    max_lora_rank: int | None = None
    adapters: tuple[AdapterFacts, ...] = ()
    max_loaded_loras: int | None = None
    lora_target_modules: tuple[str, ...] = ()

    offload_group_size: int | None = None
    offload_num_in_group: int | None = None
    weights_fit: bool | None = None
    """whether the weights would fit without what is kept on the host"""

    kv_needed_bytes: float | None = None
    """KV cache of the longest request, per GPU"""
    kv_available_bytes: float | None = None
    """KV pool, per GPU"""
    longest_context_tokens: int | None = None
    """the longest context that the pool holds"""
    memory_fix: str | None = None
    """what would make it fit"""
