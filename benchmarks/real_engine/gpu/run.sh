#!/usr/bin/env bash
# Builds llama.cpp for Hopper beside everything that needs no server, then measures. From the repository's root:
#   OUT=out CARRIED=folder bash benchmarks/real_engine/gpu/run.sh
# CARRIED holds llama.cpp.tar.gz, vocabulary.json.gz, wheels/, plans/ and launch/ (see README.md).
# FAKE=1 with BUILD=folder of a finished CPU build: tiny models, to try the script without a GPU.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "${OUT:-out}" && cd "${OUT:-out}" && pwd)
carried=$(cd "${CARRIED:?folder with the sources}" && pwd)
work=${WORK:-/tmp/llmplan-run}
models=$work/models
mkdir -p "$work"
if [ -z "${FAKE:-}" ] && mkdir -p /dev/shm/models && [ "$(df --output=avail -BG /dev/shm | tail -1 | tr -dc 0-9)" -gt 45 ]; then
  models=/dev/shm/models
fi
mkdir -p "$models"
build=${BUILD:-$work/build}
started=$(date +%s)

python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$work/site" \
  "$carried"/wheels/*.whl 2>&1 | tail -3
export PYTHONPATH=$work/site:$PWD/src PYTHONUNBUFFERED=1
command -v nvcc >/dev/null || export PATH=/usr/local/cuda/bin:$PATH

# The first file of that name outside /proc.
place_of() { find /usr /opt /lib /root /home -name "$1" 2>/dev/null | head -1; }

configure() {
  cmake -S "$work/source/llama.cpp" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGGML_CUDA=ON \
    -DCMAKE_CUDA_ARCHITECTURES=90-real -DGGML_NATIVE=ON -DGGML_CCACHE=OFF -DGGML_CUDA_NCCL=OFF \
    -DGGML_CUDA_COMPRESSION_MODE=none "-DGGML_CUDA_FA_QUANTS=f16-f16;q8_0-q8_0" -DLLAMA_OPENSSL=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_USE_PREBUILT_UI=OFF \
    -DLLAMA_BUILD_UI=OFF "$@"
}

compile() {
  mkdir -p "$work/source" && tar xzf "$carried/llama.cpp.tar.gz" -C "$work/source"
  local root extra=() found
  root=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
  echo "CUDA in $root"
  if ! ls "$root"/include/cublas_v2.h "$root"/targets/*/include/cublas_v2.h 2>/dev/null; then
    found=$(place_of cublas_v2.h)
    extra+=("-DCMAKE_CUDA_FLAGS=-I$(dirname "$found")")
    found=$(place_of 'libcublas.so.*')
    extra+=("-DCUDA_cublas_LIBRARY=$found")
    export LD_LIBRARY_PATH=$(dirname "$found"):${LD_LIBRARY_PATH:-}
  fi
  if ! ls "$root"/lib64/stubs/libcuda.so "$root"/targets/*/lib/stubs/libcuda.so 2>/dev/null; then
    extra+=("-DCUDA_cuda_driver_LIBRARY=$(place_of 'libcuda.so*')")
  fi
  echo "${extra[@]}"
  configure "${extra[@]}" || { rm -rf "$build/CMakeCache.txt"; configure "${extra[@]}" -DGGML_CUDA_NO_VMM=ON; } &&
  ninja -C "$build" -j "$(nproc)" llama-server llama-bench
  echo "$? after $(($(date +%s) - started)) s" > "$build/done"
}
if [ -z "${FAKE:-}" ]; then
  mkdir -p "$build"
  compile > "$out/build.log" 2>&1 &
else
  echo "0 fake" > "$build/done"
fi

timeout "${LIMIT_S:-560}" python3 "$here/machine_run.py" --out "$out" --work "$work" --models "$models" \
  --vocabulary "$carried/vocabulary.json.gz" --build "$build" --carried "$carried" \
  --deadline-s "${DEADLINE_S:-530}" ${FAKE:+--fake} ${WHY:+--why} 2>&1 | tee "$out/run.log"
[ -z "${FAKE:-}" ] && tail -3 "$out/build.log"
rm -rf "$models"
ls -la "$out"
