"""The part of SGLang 0.5.23's command line that plans are written in, with the defaults that hold on every GPU.

Reference: SGLang 0.5.23 wheel, srt/arg_groups/fields/*.py (option names, types, choices, defaults), read 2026-11-26:
https://pypi.org/project/sglang/0.5.23/. `--enable-dp-attention` and `--disable-cuda-graph` still parse and are
deprecated there, so that neither is written.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.emit.flags import Flag

VERSION = "0.5.23"
IMAGE = f"lmsysorg/sglang:v{VERSION}"

SGLANG_FLAGS: Mapping[str, Flag] = {
    "--model-path": Flag(type="str"),
    "--served-model-name": Flag(type="str"),
    "--trust-remote-code": Flag(type="switch", default="off"),
    "--host": Flag(type="str", default="127.0.0.1"),
    "--port": Flag(type="int", default="30000"),
    "--tp-size": Flag(type="int", default="1"),
    "--pp-size": Flag(type="int", default="1"),
    "--dp-size": Flag(type="int", default="1"),
    "--attn-dp-size": Flag(type="int", default="1"),
    "--ep-size": Flag(type="int", default="1"),
    "--dcp-size": Flag(type="int", default="1"),
    "--nnodes": Flag(type="int", default="1"),
    "--node-rank": Flag(type="int", default="0"),
    "--dist-init-addr": Flag(type="str"),
    "--dtype": Flag(type="str", allowed=("auto", "half", "float16", "bfloat16", "float", "float32"), default="auto"),
    "--quantization": Flag(type="str", allowed=("fp8",)),
    "--kv-cache-dtype": Flag(type="str", allowed=("auto", "bf16", "fp8_e4m3"), default="auto"),
    "--mem-fraction-static": Flag(type="float"),
    "--max-total-tokens": Flag(type="int"),
    "--page-size": Flag(type="int"),
    "--context-length": Flag(type="int"),
    "--max-running-requests": Flag(type="int"),
    "--chunked-prefill-size": Flag(type="int"),
    "--disable-radix-cache": Flag(type="switch", default="off"),
    "--cuda-graph-backend-decode": Flag(type="str", allowed=("full", "breakable", "disabled")),
    "--cuda-graph-backend-prefill": Flag(type="str", allowed=("full", "breakable", "disabled")),
    "--enable-lora": Flag(type="switch"),
    "--lora-paths": Flag(type="list"),
    "--max-loras-per-batch": Flag(type="int", default="8"),
    "--max-loaded-loras": Flag(type="int"),
    "--max-lora-rank": Flag(type="int"),
    "--lora-target-modules": Flag(type="list", allowed=("all",)),
    "--cpu-offload-gb": Flag(type="int", default="0"),
    "--enable-hierarchical-cache": Flag(type="switch", default="off"),
    "--hicache-size": Flag(type="int", default="0"),
    "--speculative-algorithm": Flag(type="str", allowed=("NEXTN", "NGRAM", "STANDALONE")),
    "--speculative-draft-model-path": Flag(type="str"),
    "--speculative-num-steps": Flag(type="int"),
    "--speculative-eagle-topk": Flag(type="int"),
    "--speculative-num-draft-tokens": Flag(type="int"),
    "--enable-metrics": Flag(type="switch", default="off"),
}
"""`--quantization` lists only what converts a 16-bit checkpoint while loading: others come with the weights."""
ONLINE_METHODS: Mapping[str, str] = {"fp8": "fp8"}
KV_DTYPES: Mapping[str, str] = {"fp8": "fp8_e4m3"}
