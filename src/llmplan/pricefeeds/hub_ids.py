"""Hub ids of open-weight models that token APIs sell, and the few short names that can mean nothing else there."""

from __future__ import annotations

from typing import Final

_BY_ORGANISATION: Final[dict[str, str]] = {
    "meta-llama": (
        "Llama-2-7b-chat-hf Llama-2-13b-chat-hf Llama-2-70b-chat-hf Meta-Llama-3-8B-Instruct Meta-Llama-3-70B-Instruct "
        "Llama-3.1-8B-Instruct Llama-3.1-70B-Instruct Llama-3.1-405B-Instruct Llama-3.2-1B-Instruct "
        "Llama-3.2-3B-Instruct Llama-3.2-11B-Vision-Instruct Llama-3.2-90B-Vision-Instruct Llama-3.3-70B-Instruct "
        "Llama-4-Scout-17B-16E-Instruct Llama-4-Maverick-17B-128E-Instruct LlamaGuard-7b Meta-Llama-Guard-2-8B "
        "Llama-Guard-3-1B Llama-Guard-3-8B Llama-Guard-3-11B-Vision Llama-Guard-4-12B"
    ),
    "Qwen": (
        "Qwen2-1.5B-Instruct Qwen2-7B-Instruct Qwen2-72B-Instruct Qwen2-VL-2B-Instruct Qwen2-VL-7B-Instruct "
        "Qwen2-VL-72B-Instruct Qwen2.5-0.5B-Instruct Qwen2.5-1.5B-Instruct Qwen2.5-3B-Instruct Qwen2.5-7B-Instruct "
        "Qwen2.5-14B-Instruct Qwen2.5-32B-Instruct Qwen2.5-72B-Instruct Qwen2.5-VL-3B-Instruct "
        "Qwen2.5-VL-7B-Instruct Qwen2.5-VL-32B-Instruct Qwen2.5-VL-72B-Instruct Qwen2.5-Coder-3B-Instruct "
        "Qwen2.5-Coder-7B-Instruct Qwen2.5-Coder-14B-Instruct Qwen2.5-Coder-32B-Instruct Qwen2.5-Coder-0.5B-Instruct "
        "Qwen2.5-Coder-1.5B-Instruct Qwen2.5-Math-72B-Instruct Qwen1.5-72B-Chat QwQ-32B-Preview QwQ-32B Qwen3-0.6B "
        "Qwen3-1.7B Qwen3-4B Qwen3-4B-Instruct-2507 Qwen3-8B Qwen3-14B Qwen3-32B Qwen3-30B-A3B "
        "Qwen3-30B-A3B-Instruct-2507 Qwen3-30B-A3B-Thinking-2507 Qwen3-235B-A22B Qwen3-235B-A22B-Instruct-2507 "
        "Qwen3-235B-A22B-Thinking-2507 Qwen3-Coder-30B-A3B-Instruct Qwen3-Coder-480B-A35B-Instruct "
        "Qwen3-Coder-Next Qwen3-Next-80B-A3B-Instruct Qwen3-Next-80B-A3B-Thinking Qwen3-VL-8B-Instruct "
        "Qwen3-VL-8B-Thinking Qwen3-VL-30B-A3B-Instruct Qwen3-VL-30B-A3B-Thinking Qwen3-VL-32B-Instruct "
        "Qwen3-VL-32B-Thinking Qwen3-VL-235B-A22B-Instruct Qwen3-VL-235B-A22B-Thinking "
        "Qwen3-Omni-30B-A3B-Instruct Qwen3-Omni-30B-A3B-Thinking Qwen3.5-4B Qwen3.5-9B Qwen3.5-27B "
        "Qwen3.5-35B-A3B Qwen3.5-122B-A10B Qwen3.5-397B-A17B Qwen3.6-27B Qwen3.6-35B-A3B Qwen3.8-27B "
        "Qwen3.8-2.4T-A95B"
    ),
    "deepseek-ai": (
        "DeepSeek-R1 DeepSeek-R1-0528 DeepSeek-R1-0528-Qwen3-8B DeepSeek-R1-Distill-Llama-8B "
        "DeepSeek-R1-Distill-Llama-70B DeepSeek-R1-Distill-Qwen-1.5B DeepSeek-R1-Distill-Qwen-7B "
        "DeepSeek-R1-Distill-Qwen-14B DeepSeek-R1-Distill-Qwen-32B DeepSeek-V2-Lite-Chat DeepSeek-V3 "
        "DeepSeek-V3-0324 DeepSeek-V3.1 DeepSeek-V3.1-Terminus DeepSeek-V3.2 DeepSeek-V3.2-Exp "
        "DeepSeek-V3.2-Speciale DeepSeek-V4-Flash DeepSeek-V4-Flash-0731 DeepSeek-V4-Pro DeepSeek-V4-Pro-0813 "
        "DeepSeek-V4.1-Flash DeepSeek-V4.1-Flash-1017 DeepSeek-Coder-V2-Instruct DeepSeek-Coder-V2-Lite-Instruct "
        "DeepSeek-V2.5 DeepSeek-OCR DeepSeek-OCR-2 DeepSeek-Prover-V2-671B deepseek-coder-33b-instruct "
        "deepseek-coder-7b-instruct-v1.5"
    ),
    "openai": "gpt-oss-20b gpt-oss-120b gpt-oss-safeguard-20b gpt-oss-safeguard-120b",
    "mistralai": (
        "Mistral-7B-Instruct-v0.1 Mistral-7B-Instruct-v0.2 Mistral-7B-Instruct-v0.3 Mixtral-8x7B-Instruct-v0.1 "
        "Mixtral-8x22B-Instruct-v0.1 Mistral-Nemo-Instruct-2407 Mistral-Small-24B-Instruct-2501 "
        "Mistral-Small-3.1-24B-Instruct-2503 Mistral-Small-3.2-24B-Instruct-2506 Devstral-Small-2505 "
        "Devstral-2-123B-Instruct-2512 Magistral-Small-2509 Ministral-3-3B-Instruct-2512 "
        "Ministral-3-8B-Instruct-2512 Ministral-3-14B-Instruct-2512"
    ),
    "google": (
        "gemma-2b-it gemma-7b-it gemma-2-2b-it gemma-2-9b-it gemma-2-27b-it gemma-3-4b-it gemma-3-12b-it "
        "gemma-3-27b-it gemma-4-E2B-it gemma-4-E4B-it gemma-4-26B-A4B-it gemma-4-31B-it"
    ),
    "zai-org": (
        "GLM-4-32B-0414 GLM-4.5 GLM-4.5-Air GLM-4.5V GLM-4.6 GLM-4.6V GLM-4.7 GLM-4.7-Flash GLM-5 GLM-5.1 "
        "GLM-5.2 GLM-5.3 GLM-5.3-Flash"
    ),
    "moonshotai": (
        "Kimi-K2-Instruct Kimi-K2-Instruct-0905 Kimi-K2-Thinking Kimi-K2.5 Kimi-K2.6 Kimi-K2.7-Code Kimi-K3"
    ),
    "MiniMaxAI": "MiniMax-M1-80k MiniMax-M2 MiniMax-M2.1 MiniMax-M2.5 MiniMax-M2.7 MiniMax-M3",
    "microsoft": (
        "Phi-3-mini-4k-instruct Phi-3-mini-128k-instruct Phi-3-small-8k-instruct Phi-3-small-128k-instruct "
        "Phi-3-medium-4k-instruct Phi-3-medium-128k-instruct Phi-3.5-mini-instruct Phi-3.5-MoE-instruct "
        "Phi-3.5-vision-instruct Phi-3-vision-128k-instruct phi-4 Phi-4-mini-instruct Phi-4-mini-reasoning "
        "Phi-4-reasoning Phi-4-multimodal-instruct"
    ),
    "nvidia": (
        "Llama-3.1-Nemotron-70B-Instruct-HF Llama-3_1-Nemotron-Ultra-253B-v1 Llama-3_3-Nemotron-Super-49B-v1 "
        "Llama-3_3-Nemotron-Super-49B-v1_5 NVIDIA-Nemotron-Nano-9B-v2 NVIDIA-Nemotron-Nano-12B-v2 "
        "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16 NVIDIA-Nemotron-3-Super-120B-A12B NVIDIA-Nemotron-3-Ultra-550B-A55B "
        "NVIDIA-Nemotron-3.5-Lightning-30B-A3B NVIDIA-Nemotron-3.5-Super-VL-120B-A12B"
    ),
    "ibm-granite": (
        "granite-3.3-8b-instruct granite-4.0-h-small granite-4.0-h-micro granite-4.1-8b granite-4.2-8b "
        "granite-vision-3.2-2b granite-guardian-3.3-8b"
    ),
    "stepfun-ai": "Step-3.5-Flash Step-3.7-Flash",
    "NousResearch": (
        "Hermes-2-Pro-Llama-3-8B Hermes-2-Pro-Mistral-7B Nous-Hermes-2-Mixtral-8x7B-DPO Hermes-3-Llama-3.1-8B "
        "Hermes-3-Llama-3.1-70B Hermes-3-Llama-3.1-405B Hermes-4-70B Hermes-4-405B"
    ),
    "baidu": (
        "ERNIE-4.5-21B-A3B-PT ERNIE-4.5-21B-A3B-Thinking ERNIE-4.5-300B-A47B-PT ERNIE-4.5-VL-28B-A3B-PT "
        "ERNIE-4.5-VL-28B-A3B-Thinking ERNIE-4.5-VL-424B-A47B-PT"
    ),
    "codellama": (
        "CodeLlama-7b-Instruct-hf CodeLlama-13b-Instruct-hf CodeLlama-34b-Instruct-hf CodeLlama-70b-Instruct-hf "
        "CodeLlama-7b-Python-hf CodeLlama-13b-Python-hf CodeLlama-34b-Python-hf CodeLlama-70b-Python-hf"
    ),
    "deepcogito": (
        "cogito-v1-preview-llama-3B cogito-v1-preview-llama-8B cogito-v1-preview-llama-70B "
        "cogito-v1-preview-qwen-14B cogito-v1-preview-qwen-32B"
    ),
    "tencent": "Hunyuan-A13B-Instruct",
    "databricks": "dbrx-instruct",
    "teknium": "OpenHermes-2.5-Mistral-7B",
    "01-ai": "Yi-34B-Chat",
}  # fmt: skip

HUB_IDS: Final = tuple(f"{owner}/{name}" for owner, names in _BY_ORGANISATION.items() for name in names.split())

SHORT_NAMES: Final[dict[str, str]] = {
    "llama-3.3-70b": "meta-llama/Llama-3.3-70B-Instruct",
    "llama-3.3-70b-versatile": "meta-llama/Llama-3.3-70B-Instruct",
    "llama-3.2-11b-instruct": "meta-llama/Llama-3.2-11B-Vision-Instruct",
    "llama-3.2-90b-instruct": "meta-llama/Llama-3.2-90B-Vision-Instruct",
    "llama-4-scout-17b-instruct": "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    "llama-4-maverick-17b-instruct": "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    "mixtral-8x7b-instruct": "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "mixtral-8x22b-instruct": "mistralai/Mixtral-8x22B-Instruct-v0.1",
    "qwen3-coder-30b-a3b": "Qwen/Qwen3-Coder-30B-A3B-Instruct",
    "qwen3-coder-480b-a35b": "Qwen/Qwen3-Coder-480B-A35B-Instruct",
    "devstral-2-123b": "mistralai/Devstral-2-123B-Instruct-2512",
    "ministral-3-3b-instruct": "mistralai/Ministral-3-3B-Instruct-2512",
    "ministral-3-8b-instruct": "mistralai/Ministral-3-8B-Instruct-2512",
    "ministral-3-14b-instruct": "mistralai/Ministral-3-14B-Instruct-2512",
    "nemotron-3-nano-30b-a3b": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "nvidia-nemotron-3-nano-30b-a3b": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "nemotron-3-super-120b-a12b": "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B",
    "nemotron-3-ultra-550b-a55b": "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B",
    "nemotron-3-ultra": "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B",
    "nemotron-3-120b-a12b": "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B",
    "nemotron-super-3-120b": "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B",
    "nemotron-nano-3-30b": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "nemotron-nano-9b-v2": "nvidia/NVIDIA-Nemotron-Nano-9B-v2",
    "nemotron-lightning-3.5-30b-a3b": "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B",
    "nemotron-3.5-lightning-30b-a3b": "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B",
    "llama-3.1-nemotron-70b-instruct": "nvidia/Llama-3.1-Nemotron-70B-Instruct-HF",
    "llama-2-7b-chat": "meta-llama/Llama-2-7b-chat-hf",
    "llama-2-13b-chat": "meta-llama/Llama-2-13b-chat-hf",
    "llama-2-13b-chat-v1": "meta-llama/Llama-2-13b-chat-hf",
    "llama-2-70b-chat": "meta-llama/Llama-2-70b-chat-hf",
    "llama-2-70b-chat-v1": "meta-llama/Llama-2-70b-chat-hf",
    "llama-guard-2-8b": "meta-llama/Meta-Llama-Guard-2-8B",
    "llama-3-8b-chat": "meta-llama/Meta-Llama-3-8B-Instruct",
    "mistral-nemo": "mistralai/Mistral-Nemo-Instruct-2407",
    "mistral-small-2503": "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
    "mistral-small-3.1-24b-instruct": "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
    "mistral-small-3.2-24b-instruct": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
    "mistral-7b-instruct-v3": "mistralai/Mistral-7B-Instruct-v0.3",
    "kimi-k2-0905": "moonshotai/Kimi-K2-Instruct-0905",
    "deepseek-chat-v3-0324": "deepseek-ai/DeepSeek-V3-0324",
    "deepseek-chat-v3.1": "deepseek-ai/DeepSeek-V3.1",
    "deepseek-r1-671b": "deepseek-ai/DeepSeek-R1",
    "deepseek-r1-0528-distill-qwen3-8b": "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B",
    "qwen25-coder-32b-instruct": "Qwen/Qwen2.5-Coder-32B-Instruct",
    "qwen35-122b-a10b": "Qwen/Qwen3.5-122B-A10B",
    "qwen-qwq-32b-preview": "Qwen/QwQ-32B-Preview",
    "granite-4-h-small": "ibm-granite/granite-4.0-h-small",
    "hermes3-8b": "NousResearch/Hermes-3-Llama-3.1-8B",
    "hermes3-70b": "NousResearch/Hermes-3-Llama-3.1-70B",
    "hermes3-405b": "NousResearch/Hermes-3-Llama-3.1-405B",
    "ernie-4.5-21b-a3b": "baidu/ERNIE-4.5-21B-A3B-PT",
    "ernie-4.5-300b-a47b-paddle": "baidu/ERNIE-4.5-300B-A47B-PT",
    "ernie-4.5-vl-28b-a3b": "baidu/ERNIE-4.5-VL-28B-A3B-PT",
    "ernie-4.5-vl-424b-a47b": "baidu/ERNIE-4.5-VL-424B-A47B-PT",
    **{f"code-llama-{size}b-instruct": f"codellama/CodeLlama-{size}b-Instruct-hf" for size in (7, 13, 34, 70)},
    **{f"code-llama-{size}b-python": f"codellama/CodeLlama-{size}b-Python-hf" for size in (7, 13, 34, 70)},
    **{f"codellama-{size}b-instruct": f"codellama/CodeLlama-{size}b-Instruct-hf" for size in (7, 34, 70)},
}
"""Names without the part that only one published chat model of that family and size has."""

NOT_WHAT_IT_SAYS: Final = frozenset({"deepseek.v3-v1:0", "us.deepseek.v3-v1:0", "glm-5-turbo"})
"""Listings whose name reads as another model than the one served: Bedrock's `deepseek.v3` is V3.1, and GLM-5-Turbo is
a model of its own, not a way to serve GLM-5."""

WHOLE_IDS: Final = frozenset({
    "01-ai/Yi-34B", "01-ai/Yi-6B", "Qwen/Qwen2.5-Coder-7B", "meta-llama/Meta-Llama-3.1-8B",
    "OpenPipe/Qwen3-14B-Instruct", "allenai/olmOCR-7B-0725-FP8", "llava-hf/llava-v1.6-mistral-7b-hf",
    "aisingapore/Gemma-SEA-LION-v4-27B-IT",
})  # fmt: skip
"""Models that count only where a listing states owner and name: their bare name is used of their kin as well."""
