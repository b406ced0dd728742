"""One GGUF file's metadata below its architecture's name, and what its tensors show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from llmplan.catalogs.checkpoint.gguf_header import Skipped
from llmplan.catalogs.checkpoint.header import clip
from llmplan.errors import DataError

Config: TypeAlias = dict[str, Any]
"""keys of a config.json"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """One file's metadata below its architecture's name, with what its tensors show."""

    where: str
    architecture: str
    values: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]

    def number(self, key: str) -> int | None:
        """A whole number; of one per layer, the largest."""
        value = self.values.get(f"{self.architecture}.{key}")
        if isinstance(value, tuple):
            value = max(value, default=None)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None or isinstance(value, Skipped):
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"expected a whole number, got {clip(repr(value), 40)}")
        return value

    def per_layer(self, key: str) -> tuple[Any, ...] | None:
        """One value per layer, where the file states so."""
        value = self.values.get(f"{self.architecture}.{key}")
        return value if isinstance(value, tuple) else None

    def fail(self, key: str, problem: str) -> DataError:
        """The error about one key."""
        return DataError(
            f"{self.where}: metadata key `{self.architecture}.{key}`: {problem}",
            hints=[
                "convert the model again with a current llama.cpp",
                "or put the model's config.json beside the file",
            ],
        )

    def has(self, name: str) -> bool:
        """Whether any layer, or the file, holds a tensor of this name without `blk.N.`."""
        return name in self.shapes

    def layers_with(self, name: str) -> frozenset[int]:
        """Numbers of the layers that hold a tensor of this name."""
        found = set()
        for full in self.shapes:
            block, _, rest = full.partition(".")
            number, _, tail = rest.partition(".")
            if block == "blk" and tail == name and number.isdecimal() and len(number) < 10:
                found.add(int(number))
        return frozenset(found)
