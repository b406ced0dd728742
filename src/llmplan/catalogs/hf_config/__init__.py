"""Hugging Face config.json to `ModelSpec`: one tensor inventory from which weights, cache and work all derive."""

from __future__ import annotations

from llmplan.catalogs.hf_config.reader import read_config, read_config_file
from llmplan.catalogs.hf_config.registry import known_types

__all__ = ["known_types", "read_config", "read_config_file"]
