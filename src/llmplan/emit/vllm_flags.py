"""The part of vLLM 0.33's command line that plans are written in: exact option strings, types and allowed values.

vLLM accepts abbreviations and unknown quantization or KV names up to engine start, so nothing may be emitted that is
not spelled out here. Tests compare this table with one read from the engine's own parser.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.emit.flags import Flag

VERSION = "0.33.0"
IMAGE = f"vllm/vllm-openai:v{VERSION}"

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
VLLM_FLAGS: Mapping[str, Flag] = {
    "--served-model-name": Flag(type="str"),
    "--trust-remote-code": Flag(type="switch", default="off"),
    "--port": Flag(type="int", default="8000"),
    "--headless": Flag(type="switch", default="off"),
    "--tensor-parallel-size": Flag(type="int", default="1"),
    "--pipeline-parallel-size": Flag(type="int", default="1"),
    "--decode-context-parallel-size": Flag(type="int", default="1"),
    "--data-parallel-size": Flag(type="int", default="1"),
    "--data-parallel-size-local": Flag(type="int"),
    "--data-parallel-start-rank": Flag(type="int"),
    "--data-parallel-address": Flag(type="str"),
    "--data-parallel-rpc-port": Flag(type="int"),
    "--enable-expert-parallel": Flag(type="switch", default="off"),
    "--nnodes": Flag(type="int", default="1"),
    "--node-rank": Flag(type="int", default="0"),
    "--master-addr": Flag(type="str"),
    "--master-port": Flag(type="int", default="29501"),
    "--dtype": Flag(type="str", allowed=("auto", "bfloat16", "float", "float16", "float32", "half"), default="auto"),
    "--quantization": Flag(type="str", allowed=("fp8", "fp8_per_block", "int8_per_channel_weight_only")),
    "--kv-cache-dtype": Flag(
        type="str", allowed=("auto", "bfloat16", "float16", "fp8", "fp8_ds_mla", "int8_per_token_head"), default="auto"
    ),
    "--gpu-memory-utilization": Flag(type="float"),
    "--kv-cache-memory-bytes": Flag(type="int"),
    "--block-size": Flag(type="int"),
    "--max-model-len": Flag(type="int"),
    "--max-num-seqs": Flag(type="int"),
    "--max-num-batched-tokens": Flag(type="int"),
    "--enable-prefix-caching": Flag(type="switch", default="on"),
    "--disable-prefix-caching": Flag(type="switch"),
    "--enforce-eager": Flag(type="switch", default="off"),
    "--enable-lora": Flag(type="switch"),
    "--max-loras": Flag(type="int", default="1"),
    "--max-lora-rank": Flag(type="int", allowed=tuple(map(str, LORA_RANKS)), default="16"),
    "--max-cpu-loras": Flag(type="int"),
    "--lora-modules": Flag(type="list"),
    "--speculative-config": Flag(type="json"),
    "--cpu-offload-gb": Flag(type="float", default="0"),
    "--kv-offloading-size": Flag(type="float"),
}
"""The prefix cache is on where the model allows it. `--quantization` lists only methods that convert a 16-bit
checkpoint while loading: others come with the weights."""
ONLINE_METHODS: Mapping[str, str] = {
    "fp8": "fp8",
    "fp8-block": "fp8_per_block",
    "w8a16": "int8_per_channel_weight_only",
}
