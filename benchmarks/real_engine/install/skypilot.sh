#!/usr/bin/env bash
# SkyPilot, whose Task reads its YAML. `$1`: the venv.
set -euo pipefail
"$1/bin/python" -m pip install --quiet skypilot
