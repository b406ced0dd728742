#!/usr/bin/env bash
# SGLang beside PyTorch for CPUs: enough for its parser and argument resolution. 1.5 GB, about a minute.
set -euo pipefail
pip="$1/bin/python -m pip install --quiet --disable-pip-version-check"

# What importing its server arguments and model configs needs of what sglang 0.5.23 requires.
$pip torch==2.13.0 triton transformers==5.19.0 numpy pydantic fastapi uvicorn uvloop aiohttp requests pyzmq msgspec \
  orjson psutil pillow partial_json_parser prometheus-client python-multipart setproctitle sentencepiece tiktoken \
  einops nvidia-ml-py packaging tqdm pybase64 xxhash zstandard watchfiles openai-harmony==0.0.4 openai==2.8.0 \
  compressed-tensors==0.18.0 interegular IPython scipy gguf blobfile dill ninja huggingface_hub
$pip --no-deps apache-tvm-ffi==0.1.11 torchvision==0.29.0 sglang==0.5.23
