#!/usr/bin/env bash
# vLLM's CUDA build beside PyTorch for CPUs: enough for its parser and engine config. 2 GB, about 2 minutes.
set -euo pipefail
pip="$1/bin/python -m pip install --quiet --disable-pip-version-check"

$pip torch==2.13.0
# What vllm 0.33.0 requires, without what runs only on CUDA.
$pip torch==2.13.0 \
  regex cachetools psutil sentencepiece numpy requests certifi tqdm blake3 py-cpuinfo 'transformers>=5.16.1,<5.21.0' \
  'huggingface_hub>=1.31.0' 'tokenizers>=0.23.2' 'safetensors>=0.6.2' protobuf 'fastapi[standard]>=0.133.0,<0.137.0' \
  'starlette>=1.0.1' aiohttp multidict 'openai>=2.25.0' 'pydantic>=2.12.0' orjson prometheus_client pillow \
  'prometheus-fastapi-instrumentator>=8.0.0' tiktoken lm-format-enforcer==0.11.3 'llguidance>=1.7.0,<1.8.0' \
  outlines_core==0.2.14 lark==1.2.2 xgrammar==0.2.8 typing_extensions filelock partial-json-parser jsonschema pyzmq \
  msgspec 'mistral_common[image]>=1.11.6' pyyaml six einops compressed-tensors==0.17.0 depyf==0.20.0 cloudpickle \
  watchfiles python-json-logger ninja pybase64 cbor2 ijson setproctitle 'oss-harmony>=0.0.11' anthropic \
  'model-hosting-container-standards>=0.1.14,<1.0.0' 'mcp>=2.2.0,<3.0.0' opentelemetry-sdk opentelemetry-api \
  opentelemetry-exporter-otlp opentelemetry-semantic-conventions-ai numba==0.65.0
$pip --no-deps torchvision==0.29.0 vllm==0.33.0
