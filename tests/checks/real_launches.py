# ruff: noqa: E501 - commands stand as their sources have them
"""Launches that others published: the words of the command, the GPU that it was written for, and what became of it.

`model` is given where the line names a checkpoint that the catalogue has under another id; `errors` are the rules that
say what the source reports as the failure, none where the source says that it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RECIPES = "https://github.com/vllm-project/recipes/blob/main/"
VLLM_DOCS = "https://github.com/vllm-project/vllm/blob/main/docs/"
VLLM_ISSUE = "https://github.com/vllm-project/vllm/issues/"
SGLANG = "https://github.com/sgl-project/sglang/blob/main/"
TRTLLM = "https://github.com/NVIDIA/TensorRT-LLM/blob/main/docs/source/deployment-guide/"
LLAMA_CPP = "https://github.com/ggml-org/llama.cpp/"
A100, H100, H200, B200 = "a100-sxm-80gb", "h100-sxm-80gb", "h200-sxm-141gb", "b200-180gb"


@dataclass(frozen=True, kw_only=True)
class Published:
    url: str
    gpu: str
    line: str
    more: tuple[str, ...] = ()
    """what the source says beside the line, as flags of `llmplan check`"""
    files: tuple[tuple[str, str], ...] = ()
    errors: frozenset[str] = field(default=frozenset())
    why: str = ""
    """where our answer differs from the source's: the reason"""


def runs(url: str, gpu: str, line: str, *more: str, files: tuple[tuple[str, str], ...] = ()) -> Published:
    return Published(url=url, gpu=gpu, line=line, more=more, files=files)


def fails(url: str, gpu: str, line: str, *more: str, by: str, why: str = "") -> Published:
    return Published(url=url, gpu=gpu, line=line, more=more, errors=frozenset(by.split()), why=why)


R1 = ("--model", "deepseek-ai/DeepSeek-R1")
V3 = ("--model", "deepseek-ai/DeepSeek-V3")
VL = ("--model", "Qwen/Qwen3-VL-235B-A22B-Thinking")
GLM5 = ("--model", "zai-org/GLM-5.1", "--weights", "fp8-block")
LLAMA33 = ("--model", "meta-llama/Llama-3.3-70B-Instruct")
SCOUT = ("--model", "meta-llama/Llama-4-Scout-17B-16E-Instruct")
CODER = ("--model", "Qwen/Qwen3-Coder-480B-A35B-Instruct")
TOOLS = "--enable-auto-tool-choice --tool-call-parser"
M25 = f"vllm serve MiniMaxAI/MiniMax-M2.5 --reasoning-parser minimax_m2_append_think {TOOLS} minimax_m2"
K25 = f"--mm-encoder-tp-mode data {TOOLS} kimi_k2 --reasoning-parser kimi_k2 --trust-remote-code"
K25_FUSED = f"--compilation_config.pass_config.fuse_allreduce_rms true {K25}"
QWEN35 = "vllm serve Qwen/Qwen3.5-397B-A17B --tensor-parallel-size 8 --reasoning-parser deepseek_r1"
QWEN3VL = "vllm serve Qwen/Qwen3-VL-235B-A22B-Instruct --tensor-parallel-size 8 --mm-processor-cache-type shm"
K2_RANKS = (
    "--port 8000 --trust-remote-code --data-parallel-size 16 --data-parallel-size-local 8 --data-parallel-address "
    "$MASTER_IP --data-parallel-rpc-port $PORT --enable-expert-parallel --max-num-batched-tokens 8192 "
    f"--max-num-seqs 256 --gpu-memory-utilization 0.85 {TOOLS} kimi_k2"
)
BLACKWELL_YAML = "no-enable-prefix-caching: true\nmax-cudagraph-capture-size: 2048\nmax-num-batched-tokens: 8192\n"
HOPPER_YAML = (
    "kv-cache-dtype: fp8\nasync-scheduling: true\nno-enable-prefix-caching: true\nmax-num-batched-tokens: 8192\n"
)
R1_YAML = (
    "enable_attention_dp: true\ncuda_graph_config:\n  enable_padding: true\n  max_batch_size: 128\nkv_cache_config:\n"
    "  dtype: fp8\nstream_interval: 10\nspeculative_config:\n  decoding_type: MTP\n  num_nextn_predict_layers: 1\n"
    "moe_config:\n  backend: DEEPGEMM\n  max_num_tokens: 3200\n"
)
OSS_YAML = (
    "enable_attention_dp: true\ncuda_graph_config:\n  enable_padding: true\n  max_batch_size: 720\nmoe_config:\n"
    "    backend: CUTLASS\nstream_interval: 10\nnum_postprocess_workers: 4\n"
)
SG = "python3 -m sglang.launch_server"

VLLM_RUNS: tuple[Published, ...] = (
    runs(RECIPES + "DeepSeek/DeepSeek-V3.md", H200, "vllm serve deepseek-ai/DeepSeek-R1-0528 --trust-remote-code "
         "--tensor-parallel-size 8 --enable_expert_parallel", *R1, "--gpus", "8"),
    runs(RECIPES + "DeepSeek/DeepSeek-V3.md", H200, "vllm serve deepseek-ai/DeepSeek-R1-0528 --trust-remote-code "
         "--data-parallel-size 8 --enable-expert-parallel", *R1, "--gpus", "8"),
    runs(RECIPES + "DeepSeek/DeepSeek-V3.md", B200, "CUDA_VISIBLE_DEVICES=0,1,2,3 vllm serve nvidia/DeepSeek-R1-FP4 "
         "--trust-remote-code --tensor-parallel-size 4 --enable_expert_parallel", *R1, "--weights", "nvfp4"),
    runs(RECIPES + "DeepSeek/DeepSeek-V3_1.md", H200, "vllm serve deepseek-ai/DeepSeek-V3.1 --enable-expert-parallel "
         "--tensor-parallel-size 8 --served-model-name ds31", "--gpus", "8"),
    runs(RECIPES + "DeepSeek/DeepSeek-V3_1.md", "mi300x-192gb", "SAFETENSORS_FAST_GPU=1 VLLM_ROCM_USE_AITER=1 vllm "
         "serve deepseek-ai/DeepSeek-V3.1 --tensor-parallel-size 8 --enable-expert-parallel"),
    runs(VLLM_DOCS + "serving/expert_parallel_deployment.md", H200, "VLLM_ALL2ALL_BACKEND=pplx VLLM_USE_DEEP_GEMM=1 "
         "vllm serve deepseek-ai/DeepSeek-V3-0324 --tensor-parallel-size 1 --data-parallel-size 8 "
         "--enable-expert-parallel", *V3),
    runs(VLLM_DOCS + "serving/expert_parallel_deployment.md", H200, "vllm serve deepseek-ai/DeepSeek-V3-0324 "
         "--tensor-parallel-size 1 --enable-expert-parallel --data-parallel-size 16 --data-parallel-size-local 8 "
         "--data-parallel-address 192.168.1.100 --data-parallel-rpc-port 13345 --api-server-count=8", *V3,
         "--gpus", "8"),
    runs(VLLM_DOCS + "serving/expert_parallel_deployment.md", H200, "vllm serve deepseek-ai/DeepSeek-V3-0324 "
         "--tensor-parallel-size 1 --enable-expert-parallel --data-parallel-size 16 --data-parallel-size-local 8 "
         "--data-parallel-start-rank 8 --data-parallel-address 192.168.1.100 --data-parallel-rpc-port 13345 --headless",
         *V3, "--gpus", "8"),
    runs(RECIPES + "OpenAI/GPT-OSS.md", A100, "vllm serve openai/gpt-oss-20b"),
    runs(RECIPES + "OpenAI/GPT-OSS.md", A100, "vllm serve openai/gpt-oss-120b"),
    runs(RECIPES + "OpenAI/GPT-OSS.md", A100, "vllm serve openai/gpt-oss-120b --tensor-parallel-size 2"),
    runs(RECIPES + "OpenAI/GPT-OSS.md", A100, "vllm serve openai/gpt-oss-120b --tensor-parallel-size 4"),
    runs(RECIPES + "OpenAI/GPT-OSS.md", H100, "docker run --gpus all -p 8000:8000 --ipc=host vllm/vllm-openai --model "
         "openai/gpt-oss-20b"),
    runs(RECIPES + "OpenAI/GPT-OSS.md", H100, "vllm serve openai/gpt-oss-120b --tensor_parallel_size 8 --max-model-len "
         "131072 --max-num-batched-tokens 10240 --max-num-seqs 128 --gpu-memory-utilization 0.85 "
         "--no-enable-prefix-caching", "--gpus", "8"),
    runs(RECIPES + "OpenAI/GPT-OSS.md", B200, "vllm serve openai/gpt-oss-120b --config GPT-OSS_Blackwell.yaml "
         "--tensor-parallel-size 1 &", files=(("GPT-OSS_Blackwell.yaml", "kv-cache-dtype: fp8\n" + BLACKWELL_YAML),)),
    runs(RECIPES + "OpenAI/GPT-OSS.md", "mi300x-192gb", "vllm serve openai/gpt-oss-120b --tensor-parallel-size=8 "
         "--attention-backend ROCM_AITER_UNIFIED_ATTN -cc.pass_config.fuse_rope_kvcache=True "
         "-cc.use_inductor_graph_partition=True --gpu-memory-utilization 0.95 --block-size=64"),
    runs("https://github.com/EuroEval/EuroEval/issues/1120", H100, "python3 -m vllm.entrypoints.openai.api_server "
         "--model openai/gpt-oss-120b --host 0.0.0.0 --port 8000 --tensor-parallel-size 2 --gpu-memory-utilization 0.9",
         "--engine", "vllm@0.10.1"),
    runs(RECIPES + "Qwen/Qwen3-Coder-480B-A35B.md", H200, "vllm serve Qwen/Qwen3-Coder-480B-A35B-Instruct "
         f"--tensor-parallel-size 8 --max-model-len 32000 {TOOLS} qwen3_coder"),
    runs(RECIPES + "Qwen/Qwen3-Coder-480B-A35B.md", H200, "VLLM_USE_DEEP_GEMM=1 vllm serve "
         "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8 --max-model-len 131072 --enable-expert-parallel --data-parallel-size "
         f"8 {TOOLS} qwen3_coder", *CODER, "--weights", "fp8-block"),
    runs(RECIPES + "Qwen/Qwen3-Next.md", A100, "vllm serve Qwen/Qwen3-Next-80B-A3B-Instruct --tensor-parallel-size 4 "
         "--served-model-name qwen3-next"),
    runs(RECIPES + "Qwen/Qwen3-Next.md", H200, "vllm serve Qwen/Qwen3-Next-80B-A3B-Instruct --tokenizer-mode auto "
         "--gpu-memory-utilization 0.8 --speculative-config '{\"method\": \"qwen3_next_mtp\", "
         "\"num_speculative_tokens\": 2}' --tensor-parallel-size 4 --no-enable-chunked-prefill"),
    runs(RECIPES + "Qwen/Qwen3-VL.md", H100, f"{QWEN3VL} --limit-mm-per-prompt.video 0 --mm-encoder-tp-mode data "
         "--async-scheduling --gpu-memory-utilization 0.95", *VL),
    runs(RECIPES + "Qwen/Qwen3-VL.md", A100, f"{QWEN3VL} --max-model-len 128000 --async-scheduling", *VL),
    runs(RECIPES + "Qwen/Qwen3-VL.md", H100, f"{QWEN3VL} --mm-encoder-tp-mode data --quantization fp8 "
         "--async-scheduling", *VL),
    runs(RECIPES + "Qwen/Qwen3-VL.md", H200, f"{QWEN3VL} --mm-encoder-tp-mode data --async-scheduling", *VL),
    runs(RECIPES + "Qwen/Qwen3.5.md", H200, f"{QWEN35} --language-model-only --enable-prefix-caching"),
    runs(RECIPES + "Qwen/Qwen3.5.md", H200, f"{QWEN35} --mm-encoder-tp-mode data --mm-processor-cache-type shm "
         "--enable-prefix-caching"),
    runs(RECIPES + "Qwen/Qwen3.5.md", H200, f"{QWEN35} --speculative-config '{{\"method\": \"mtp\", "
         "\"num_speculative_tokens\": 1}'"),
    runs(RECIPES + "Qwen/Qwen3.5.md", H200, "docker run --gpus all -p 8000:8000 --ipc=host -v "
         "~/.cache/huggingface:/root/.cache/huggingface vllm/vllm-openai:qwen3_5 Qwen/Qwen3.5-397B-A17B "
         "--tensor-parallel-size 8 --reasoning-parser deepseek_r1 --enable-prefix-caching"),
    runs(RECIPES + "Qwen/Qwen3.5.md", "gb200-192gb", f"{QWEN35} --enable-prefix-caching --attention-backend FLASH_ATTN "
         "--nnodes 2 --node-rank 1 --master-addr 10.0.0.1 --headless", "--gpus", "4"),
    runs(RECIPES + "Qwen/Qwen3FP8_SageMaker.md", "l4-24gb", "vllm serve Qwen/Qwen3-30B-A3B-Instruct-2507-FP8 "
         "--tensor-parallel-size 8 --max-model-len 4096 --gpu-memory-utilization 0.8 --enable-expert-parallel"),
    runs(RECIPES + "GLM/GLM.md", H200, "vllm serve zai-org/GLM-4.7-FP8 --tensor-parallel-size 4 "
         "--speculative-config.method mtp --speculative-config.num_speculative_tokens 1 --tool-call-parser glm47 "
         "--reasoning-parser glm45 --enable-auto-tool-choice", "--gpus", "4"),
    runs(RECIPES + "GLM/GLM.md", H200, "vllm serve zai-org/GLM-4.5-Air-FP8 --tensor-parallel-size 8 --tool-call-parser "
         "glm45 --reasoning-parser glm45 --enable-auto-tool-choice", "--model", "zai-org/GLM-4.5-Air", "--weights",
         "fp8"),
    runs(RECIPES + "GLM/GLM5.md", H200, "docker run --gpus all -p 8000:8000 --ipc=host -v "
         "~/.cache/huggingface:/root/.cache/huggingface vllm/vllm-openai:v0.18.0 bash -lc 'pip install -U "
         "\"transformers>=5.4.0\" && vllm serve zai-org/GLM-5-FP8 --tensor-parallel-size 8 --tool-call-parser glm47 "
         "--reasoning-parser glm45 --enable-auto-tool-choice --served-model-name glm-5-fp8'", *GLM5),
    runs(RECIPES + "GLM/GLM5.md", H200, "vllm serve zai-org/GLM-5-FP8 --tensor-parallel-size 8 "
         "--speculative-config.method mtp --speculative-config.num_speculative_tokens 3 --tool-call-parser glm47 "
         "--reasoning-parser glm45 --enable-auto-tool-choice --served-model-name glm-5-fp8", *GLM5),
    runs(RECIPES + "moonshotai/Kimi-K2.md", H100, "vllm serve moonshotai/Kimi-K2-Instruct --trust-remote-code "
         "--tokenizer-mode auto --tensor-parallel-size 8 --pipeline-parallel-size 2 --dtype bfloat16 --quantization fp8 "
         "--max-model-len 2048 --max-num-seqs 1 --max-num-batched-tokens 1024 --enable-chunked-prefill "
         "--disable-log-requests --kv-cache-dtype fp8"),
    runs("https://github.com/MoonshotAI/Kimi-K2/blob/main/docs/deploy_guidance.md", H200, "vllm serve "
         f"moonshotai/Kimi-K2-Instruct {K2_RANKS}", "--gpus", "8"),
    runs("https://github.com/MoonshotAI/Kimi-K2/blob/main/docs/deploy_guidance.md", H200, "vllm serve "
         f"moonshotai/Kimi-K2-Instruct --headless --data-parallel-start-rank 8 {K2_RANKS}", "--gpus", "8"),
    runs(RECIPES + "moonshotai/Kimi-K2-Think.md", H200, "vllm serve moonshotai/Kimi-K2-Thinking --tensor-parallel-size "
         f"8 {TOOLS} kimi_k2 --reasoning-parser kimi_k2 --trust-remote-code"),
    runs(RECIPES + "moonshotai/Kimi-K2-Think.md", H200, "vllm serve moonshotai/Kimi-K2-Thinking --tensor-parallel-size "
         f"8 --decode-context-parallel-size 8 {TOOLS} kimi_k2 --reasoning-parser kimi_k2 --trust-remote-code"),
    runs(RECIPES + "moonshotai/Kimi-K2.5.md", H200, f"vllm serve moonshotai/Kimi-K2.5 -tp 8 {K25_FUSED}"),
    runs(RECIPES + "moonshotai/Kimi-K2.5.md", H200, "docker run --gpus all -p 8000:8000 --ipc=host "
         f"vllm/vllm-openai:v0.17.0-cu130 moonshotai/Kimi-K2.5 --tensor-parallel-size 8 {K25_FUSED}"),
    runs(RECIPES + "moonshotai/Kimi-K2.5.md", "gb200-192gb", "docker run --gpus all -p 8000:8000 --ipc=host "
         f"vllm/vllm-openai:v0.17.0-aarch64-cu130 moonshotai/Kimi-K2.5 --tensor-parallel-size 4 {K25_FUSED}"),
    runs(RECIPES + "moonshotai/Kimi-K2.5.md", "mi300x-192gb", "docker run --device=/dev/kfd --device=/dev/dri "
         "--security-opt seccomp=unconfined --group-add video --ipc=host -p 8000:8000 -v "
         "~/.cache/huggingface:/root/.cache/huggingface vllm/vllm-openai-rocm:latest moonshotai/Kimi-K2.5 "
         f"--tensor-parallel-size 8 --enable-prefix-caching {K25}"),
    runs(RECIPES + "Llama/Llama4-Scout.md", H200, "vllm serve nvidia/Llama-4-Scout-17B-16E-Instruct-FP8 --config "
         "Llama4_Hopper.yaml --tensor-parallel-size 1 --max-num-seqs 512 --max-model-len 10240 &", *SCOUT,
         "--weights", "fp8", files=(("Llama4_Hopper.yaml", HOPPER_YAML),)),
    runs(RECIPES + "Llama/Llama3.3-70B.md", H100, "vllm serve nvidia/Llama-3.3-70B-Instruct-FP8 --config "
         "Llama3.3_Hopper.yaml --tensor-parallel-size 1 --max-num-seqs 512 --max-model-len 10240 &", *LLAMA33,
         "--weights", "fp8", files=(("Llama3.3_Hopper.yaml", HOPPER_YAML),)),
    runs(RECIPES + "Llama/Llama3.3-70B.md", B200, "vllm serve nvidia/Llama-3.3-70B-Instruct-FP4 --config "
         "Llama3.3_Hopper.yaml --tensor-parallel-size 1 --max-num-seqs 512 --max-model-len 10240 &", *LLAMA33,
         "--weights", "nvfp4", files=(("Llama3.3_Hopper.yaml", HOPPER_YAML),)),
    runs(RECIPES + "Llama/Llama3.1.md", "mi300x-192gb", "export TP=1\nexport VLLM_ROCM_USE_AITER=1\nexport "
         'MODEL="meta-llama/Llama-3.1-8B-Instruct"\nvllm serve $MODEL --disable-log-requests -tp $TP &'),
    runs(RECIPES + "MiniMax/MiniMax-M2.md", B200, "VLLM_USE_FLASHINFER_MOE_FP8=0 VLLM_MOE_USE_DEEP_GEMM=0 "
         f"{M25} --tensor-parallel-size 2 --gpu-memory-utilization 0.95 --block-size 32"),
    runs(RECIPES + "MiniMax/MiniMax-M2.md", H200, f"{M25} --tensor-parallel-size 4"),
    runs(RECIPES + "MiniMax/MiniMax-M2.md", A100, f"{M25} --tensor-parallel-size 4"),
    runs(RECIPES + "MiniMax/MiniMax-M2.md", H200, f"{M25} --data-parallel-size 8 --enable-expert-parallel"),
    runs(RECIPES + "MiniMax/MiniMax-M2.md", H200, f"{M25} --tensor-parallel-size 8 --enable-expert-parallel"),
    runs(RECIPES + "MiniMax/MiniMax-M2.md", H200, f"{M25} --tensor-parallel-size 4 --compilation-config "
         '"{\\"cudagraph_mode\\": \\"PIECEWISE\\"}"'),
    runs(RECIPES + "NVIDIA/Nemotron-3-Nano-30B-A3B.md", "gb10-128gb", "vllm serve "
         "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16 --max-num-seqs 8 --tensor-parallel-size 1 --max-model-len 262144 "
         f"--port 8000 --trust-remote-code {TOOLS} qwen3_coder --reasoning-parser-plugin nano_v3_reasoning_parser.py "
         "--reasoning-parser nano_v3"),
    runs(VLLM_DOCS + "deployment/k8s.md", "a10-24gb", "/bin/sh -c 'vllm serve mistralai/Mistral-7B-Instruct-v0.3 "
         "--trust-remote-code --enable-chunked-prefill --max_num_batched_tokens 1024'"),
    runs(VLLM_DOCS + "deployment/docker.md", H100, "docker run --rm --gpus all --user 2000:0 -v "
         "~/.cache/huggingface:/home/vllm/.cache/huggingface -p 8000:8000 vllm/vllm-openai:latest "
         "meta-llama/Llama-3.1-8B-Instruct"),
    runs("https://qwen.readthedocs.io/en/stable/deployment/vllm.html", "a10-24gb", "vllm serve Qwen/Qwen3-8B "
         "--tensor-parallel-size 4"),
)  # fmt: skip
OTHERS_RUN: tuple[Published, ...] = (
    runs(SGLANG + "benchmark/deepseek_v3/README.md", H200, "docker run --gpus all --shm-size 32g -p 30000:30000 -v "
         "~/.cache/huggingface:/root/.cache/huggingface --ipc=host --network=host --privileged lmsysorg/sglang:latest "
         f"{SG} --model deepseek-ai/DeepSeek-V3 --tp 8 --trust-remote-code --port 30000"),
    runs(SGLANG + "benchmark/deepseek_v3/README.md", "h20-96gb", f"{SG} --model-path deepseek-ai/DeepSeek-V3 --tp 16 "
         "--dist-init-addr 10.0.0.1:5000 --nnodes 2 --node-rank 0 --trust-remote-code", "--gpus", "8"),
    runs(SGLANG + "benchmark/deepseek_v3/README.md", A100, f"{SG} --model-path /path/to/DeepSeek-V3-BF16 --tp 32 "
         "--dist-init-addr 10.0.0.1:5000 --nnodes 4 --node-rank 0 --trust-remote-code --host 0.0.0.0 --port 30000", *V3,
         "--weights", "bf16"),
    runs(SGLANG + "benchmark/deepseek_v3/README.md", A100, f"{SG} --model cognitivecomputations/DeepSeek-R1-AWQ --tp 8 "
         "--trust-remote-code --quantization moe_wna16", *R1, "--weights", "awq-int4"),
    runs(SGLANG + "benchmark/deepseek_v3/README.md", A100, f"{SG} --model cognitivecomputations/DeepSeek-R1-AWQ --tp 8 "
         "--trust-remote-code --quantization awq_marlin --dtype float16", *R1, "--weights", "awq-int4"),
    runs(SGLANG + "benchmark/deepseek_v3/README.md", A100, f"{SG} --model meituan/DeepSeek-R1-Channel-INT8 --tp 16 "
         "--dist-init-addr MASTER_IP:5000 --nnodes 2 --node-rank 0 --trust-remote-code --enable-torch-compile "
         "--torch-compile-max-bs 8", *R1, "--weights", "int8"),
    runs(SGLANG + "benchmark/deepseek_v3/README.md", "l40s-48gb", f"{SG} --model meituan/DeepSeek-R1-Channel-INT8 --tp "
         "32 --quantization w8a8_int8 --dist-init-addr MASTER_IP:5000 --nnodes 4 --node-rank 0 --trust-remote "
         "--enable-torch-compile --torch-compile-max-bs 32", *R1, "--weights", "int8"),
    runs(SGLANG + "docs/basic_usage/deepseek_v3.md", H200, f"{SG} --model-path deepseek-ai/DeepSeek-V3-0324 "
         "--speculative-algorithm EAGLE --trust-remote-code --tp 8", *V3),
    runs(SGLANG + "docs/basic_usage/deepseek_v3.md", H200, f"{SG} --model deepseek-ai/DeepSeek-V3-0324 --tp 8 --port "
         "30000 --host 0.0.0.0 --mem-fraction-static 0.9 --tool-call-parser deepseekv3 --chat-template "
         "./examples/chat_template/tool_chat_template_deepseekv3.jinja", *V3),
    runs(SGLANG + "docs/basic_usage/gpt_oss.md", H100, f"{SG} --model-path openai/gpt-oss-120b --tool-server demo --tp "
         "2"),
    runs(SGLANG + "docs/basic_usage/llama4.md", H200, f"{SG} --model-path meta-llama/Llama-4-Maverick-17B-128E-Instruct "
         "--speculative-algorithm EAGLE3 --speculative-draft-model-path nvidia/Llama-4-Maverick-17B-128E-Eagle3 "
         "--speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 4 --trust-remote-code "
         "--tp 8 --context-length 1000000"),
    runs(SGLANG + "docs/basic_usage/llama4.md", H100, "python -m sglang.launch_server --model-path "
         "meta-llama/Llama-4-Scout-17B-16E-Instruct --port 30000 --tp 8 --mem-fraction-static 0.8 --context-length "
         "65536"),
    runs(SGLANG + "docs/basic_usage/llama4.md", H200, "python -m sglang.launch_server --model-path "
         "meta-llama/Llama-4-Maverick-17B-128E-Instruct --port 30000 --tp 8 --mem-fraction-static 0.8 --context-length "
         "65536"),
    runs(SGLANG + "docs/basic_usage/qwen3.md", H100, f"{SG} --model Qwen/Qwen3-Next-80B-A3B-Instruct --tp 4"),
    runs(SGLANG + "docs/basic_usage/qwen3.md", H100, f"{SG} --model Qwen/Qwen3-Next-80B-A3B-Instruct --tp 4 "
         "--speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 4 --speculative-algo "
         "NEXTN"),
    runs(TRTLLM + "quick-start-recipe-for-deepseek-r1-on-trtllm.md", B200, "trtllm-serve deepseek-ai/DeepSeek-R1-0528 "
         "--host 0.0.0.0 --port 8000 --max_batch_size 1024 --max_num_tokens 3200 --max_seq_len 2048 "
         "--kv_cache_free_gpu_memory_fraction 0.8 --tp_size 8 --ep_size 8 --trust_remote_code --extra_llm_api_options "
         "config.yml", *R1, files=(("config.yml", R1_YAML),)),
    runs(TRTLLM + "quick-start-recipe-for-gpt-oss-on-trtllm.md", B200, "trtllm-serve openai/gpt-oss-120b --host 0.0.0.0 "
         "--port 8000 --backend pytorch --max_batch_size 720 --max_num_tokens 16384 "
         "--kv_cache_free_gpu_memory_fraction 0.9 --tp_size 8 --ep_size 8 --trust_remote_code --extra_llm_api_options "
         "config.yml", files=(("config.yml", OSS_YAML),)),
    runs(TRTLLM + "deployment-guide-for-llama3.3-70b-on-trtllm.md", H200, "trtllm-serve "
         "nvidia/Llama-3.3-70B-Instruct-FP8 --host 0.0.0.0 --port 8000 --extra_llm_api_options ${EXTRA_LLM_API_FILE}",
         *LLAMA33, "--weights", "fp8"),
    runs(TRTLLM + "deployment-guide-for-qwen3-on-trtllm.md", H100, "trtllm-serve Qwen/Qwen3-30B-A3B --host 0.0.0.0 "
         "--port 8000 --extra_llm_api_options ${EXTRA_LLM_API_FILE}"),
    runs(LLAMA_CPP + "blob/master/docs/docker.md", "rtx-4090-24gb", "docker run -v /path/to/models:/models -p 8080:8080 "
         "ghcr.io/ggml-org/llama.cpp:server -m /models/7B/ggml-model-q4_0.gguf --port 8080 --host 0.0.0.0 -n 512",
         "--model", "meta-llama/Llama-2-7b-hf", "--weights", "gguf-q4_0"),
    runs(LLAMA_CPP + "blob/master/docs/multi-gpu.md", "rtx-4090-24gb", "llama-server -m model.gguf",
         "--model", "meta-llama/Llama-3.1-8B-Instruct", "--weights", "gguf-q4_k_m"),
    runs(LLAMA_CPP + "issues/15253", "rtx-4090-24gb", "llama-server.exe -m gpt-oss-120b-MXFP4-00001-of-00002.gguf "
         "--reasoning-format none --ctx-size 32000 -ngl 999 -fa on --n-cpu-moe 33 --port 1234 -ub 1024 --temp 1.0 --top-p "
         "1.0 --top-k 0 --repeat-penalty 1.05", "--model", "openai/gpt-oss-120b"),
    runs(LLAMA_CPP + "blob/master/README.md", "rtx-4090-24gb", "llama serve -hf ggml-org/gpt-oss-20b-GGUF", "--model",
         "openai/gpt-oss-20b", "--weights", "mxfp4"),
)  # fmt: skip
FAIL: tuple[Published, ...] = (
    fails(RECIPES + "moonshotai/Kimi-K2.md", H100, f"vllm serve moonshotai/Kimi-K2-Instruct {K2_RANKS}", "--gpus", "8",
          by="V-KV1", why="72 GiB of weights on each rank, of which 6 % are attention that DP copies, are more than 0.85 "
          "of 79 GiB; the guide that the recipe names as its origin has H200"),
    fails(RECIPES + "Qwen/Qwen3-Coder-480B-A35B.md", H200, "VLLM_USE_DEEP_GEMM=1 vllm serve "
          "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8 --enable-expert-parallel --data-parallel-size 8", *CODER, "--weights",
          "fp8-block", by="V-KV1", why="the page added --max-model-len 131072 to this line later"),
    fails(RECIPES + "Qwen/Qwen3-Coder-480B-A35B.md", H200, "vllm serve Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8 "
          "--tensor-parallel-size 8", *CODER, "--weights", "fp8-block", by="V-Q3"),
    fails(RECIPES + "MiniMax/MiniMax-M2.md", H200, f"{M25} --tensor-parallel-size 8", by="V-Q3"),
    fails(RECIPES + "Qwen/Qwen3FP8_SageMaker.md", "l4-24gb", "vllm serve Qwen/Qwen3-30B-A3B-Instruct-2507-FP8 "
          "--tensor-parallel-size 4 --max-model-len 4096", by="V-Q3"),
    fails(VLLM_ISSUE + "12256", H100, "vllm serve deepseek-ai/DeepSeek-V3 --tensor-parallel-size 32 --trust-remote-code",
          by="V-Q3"),
    fails("https://github.com/sgl-project/sglang/issues/3345", H100, f"{SG} --model-path deepseek-ai/DeepSeek-R1 --tp "
          "32 --nnodes 4 --node-rank 0 --dist-init-addr 10.0.0.1:5000", by="V-Q3"),
    fails(VLLM_ISSUE + "4232", "t4-16gb", "vllm serve Qwen/Qwen2.5-32B-Instruct --tensor-parallel-size 6 --dtype half",
          by="V-TP1", why="the issue has Qwen1.5-32B, of 40 heads as well"),
    fails("https://github.com/gpustack/gpustack/issues/2259", "rtx-4090-24gb", "vllm serve google/gemma-3-27b-it "
          "--max-model-len 8192 --tensor-parallel-size 3 --host 0.0.0.0 --port 40059 --served-model-name "
          "gemma-3-27b-it", by="V-TP1"),
    fails("https://github.com/EvolvingLMMs-Lab/LongVT/issues/9", H100, "vllm serve Qwen/Qwen2.5-72B-Instruct --port "
          "1234 --gpu-memory-utilization 0.8 --max-model-len 131072 --tensor-parallel-size 8 --served-model-name judge "
          "--trust-remote-code", by="V-S3"),
    fails(VLLM_ISSUE + "1157", "t4-16gb", "vllm serve Qwen/Qwen2.5-1.5B-Instruct --dtype bfloat16 --max-model-len 4096",
          by="V-D1"),
    fails(VLLM_ISSUE + "17238", "rtx-3090-24gb", "vllm serve Qwen2.5-32B-Instruct-INT8-W8A16 --tensor-parallel-size 2 "
          "--gpu-memory-utilization 0.9 --max-model-len 4096 --enforce-eager", "--model", "Qwen/Qwen2.5-32B-Instruct",
          "--weights", "w8a16", "--engine", "vllm@0.8.1", by="V-KV1"),
    fails("https://github.com/QwenLM/Qwen3/issues/295", "rtx-4090-24gb", "python -m vllm.entrypoints.openai.api_server "
          "--served-model-name Qwen2.5-7B --model Qwen/Qwen2.5-7B-Instruct --gpu-memory-utilization 0.7", by="V-KV1"),
    fails(VLLM_ISSUE + "18538", H200, "vllm serve /xxx/hf_models/Qwen3-32B --port 8000 --enable-reasoning "
          "--reasoning-parser deepseek_r1", "--model", "Qwen/Qwen3-32B", by="F-3"),
    fails(VLLM_ISSUE + "2418", "t4-16gb", "vllm serve meta-llama/Llama-2-7b-hf --dtype half "
          "--max-num-seqs 256", by="V-KV1", why="the issue's model is a Llama 2 7B too"),
    fails("https://github.com/unslothai/unsloth-zoo/issues/1210", H100, "vllm serve Qwen/Qwen3-8B --swap-space 6",
          by="F-3"),
)  # fmt: skip
PUBLISHED = (*VLLM_RUNS, *OTHERS_RUN, *FAIL)
