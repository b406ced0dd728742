#!/usr/bin/env bash
# dstack, whose models read a service's configuration. `$1`: the venv.
set -euo pipefail
"$1/bin/python" -m pip install --quiet dstack
