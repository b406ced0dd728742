#!/usr/bin/env bash
# Modal's own package, which reads an app when it is imported. `$1`: the venv.
set -euo pipefail
"$1/bin/python" -m pip install --quiet modal
