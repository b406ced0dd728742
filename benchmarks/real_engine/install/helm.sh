#!/usr/bin/env bash
# Helm as a library, and a JSON schema validator. `$1`: the venv.
set -euo pipefail
"$1/bin/python" -m pip install --quiet helm-python-sdk pyyaml jsonschema
