"""`models/<org>--<name>.yaml` -> ModelSpec, through the same reader as a config.json: they cannot disagree.

A profile states the architecture under the names that Hugging Face uses: numbers under `figures`, everything else
under `architecture`. A dotted figure (`rope_scaling.factor`) belongs into a nested object. A key that the reader
does not look at is refused.

```yaml
id: meta-llama/Llama-3.1-8B-Instruct
aliases: [llama-3.1-8b]
defaults: {source: config, as_of: 2026-11-25, kind: published}
architecture: {model_type: llama, architectures: [LlamaForCausalLM], torch_dtype: bfloat16, tie_word_embeddings: false}
figures: {hidden_size: 4096, num_hidden_layers: 32, ...}
sources: {config: {title: "...", url: "..."}}
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import field_validator, model_validator
from pydantic_core import PydanticCustomError

from llmplan.catalogs.entity_file import EntityFile, Figure, Strict, Text, complain
from llmplan.catalogs.hf_config import read_config
from llmplan.catalogs.library import Library
from llmplan.catalogs.yaml_file import Key, located, validate
from llmplan.errors import DataError
from llmplan.spec.model import ModelSpec
from llmplan.spec.provenance import FigureKind, Provenance

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_ROPE: Final = ("rope_scaling.factor", "rope_scaling.original_max_position_embeddings")
_ALIKE: Final = 0.8
"""similarity from which on one key is taken for a misspelling of another"""
UNCOUNTED: Final = "uncounted_parameters"
"""The one figure that no config.json has: parameters of an encoder of a kind that is not read."""

ENCODERS: Final = ("vision_config", "audio_config", "img_processor", "perceiver_config", "projector_config")
"""parts of a file that describe an encoder of images or sound, kept as they are nested"""

Plain: TypeAlias = str | bool | int | list[Any] | dict[str, Any] | None


class Fact(Strict):
    """An architecture entry that is not a number, with a source of its own."""

    value: Plain
    source: Text | None = None
    kind: FigureKind | None = None
    as_of: date | None = None
    note: Text | None = None


class ModelFile(EntityFile):
    """One model."""

    architecture: dict[str, Fact | Plain]

    @classmethod
    def accepts_id(cls, value: str) -> bool:
        """A Hub id: an owner, a slash and a name."""
        return _HUB_ID.fullmatch(value) is not None

    @field_validator("id")
    @classmethod
    def _id_is_plain(cls, value: str) -> str:
        if not cls.accepts_id(value):
            raise PydanticCustomError("file", "a model's id is its Hub id, owner/name")
        return value

    @model_validator(mode="after")
    def _figures_are_meaningful(self) -> ModelFile:
        for name, figure in self.figures.items():
            if "." in name and name not in _ROPE:
                raise complain(("figures", name), f"not a figure of a model; with a dot there are {', '.join(_ROPE)}")
            if (figure.value if isinstance(figure, Figure) else figure) < 0:
                raise complain(("figures", name), "is negative")
            self.provenance(name)
        for name, fact in self.architecture.items():
            value = fact.value if isinstance(fact, Fact) else fact
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                raise complain(("architecture", name), "is a number: it belongs under `figures`")
            self.provenance(name)
        return self

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """Also the sources of facts."""
        yield from super().cited()
        for name, fact in self.architecture.items():
            if isinstance(fact, Fact) and fact.source is not None:
                yield ("architecture", name, "source"), fact.source

    def dated(self) -> Iterator[tuple[tuple[Key, ...], date]]:
        """Also the dates of facts."""
        yield from super().dated()
        for name, fact in self.architecture.items():
            if isinstance(fact, Fact) and fact.as_of is not None:
                yield ("architecture", name, "as_of"), fact.as_of

    def provenance(self, name: str) -> Provenance:
        """Source, date and kind of a figure or of a fact.

        Where a file extends another there are no defaults; a fact is then from where the first figure is.
        """
        if name in self.figures:
            return super().provenance(name)
        fact = self.architecture[name]
        own = fact if isinstance(fact, Fact) else Fact(value=fact)
        if own.source is None and self.defaults.source is None and self.figures:
            first = super().provenance(next(iter(self.figures)))
            return replace(first, kind=own.kind or first.kind, note=own.note)
        return self.cite(("architecture", name), own.source, own.as_of, own.kind, own.note)

    def config(self) -> dict[str, Any]:
        """The keys as a config.json has them."""
        config: dict[str, Any] = {
            name: fact.value if isinstance(fact, Fact) else fact for name, fact in self.architecture.items()
        }  # fmt: skip
        for name, figure in self.figures.items():
            value = figure.value if isinstance(figure, Figure) else figure
            whole = int(value) if float(value).is_integer() else value
            outer, _, inner = name.rpartition(".")
            if outer:
                config[outer] = {**config.get(outer, {}), inner: whole}
            else:
                config[name] = whole
        return config


def load_models(layers: Sequence[Path]) -> Mapping[str, ModelSpec]:
    """The models of the catalogue by Hub id or alias, in any case. Only the file that is asked for is read."""
    return ModelLibrary(layers)


def _whole(value: Any) -> int | None:
    if value is not None and not isinstance(value, int):
        raise DataError(f"figure `{UNCOUNTED}`: expected a whole number, got {value!r}")
    return value


def _demand_asked(
    file: ModelFile, config: Mapping[str, Any], asked: set[str], path: Path, *, only_misspelt: bool = False
) -> None:  # fmt: skip
    """Refuse keys that the reader never looked at: they are misspelt, or decide nothing of this model."""
    problems: list[tuple[tuple[Key, ...], str]] = []
    for name in config:
        if name in asked:
            continue
        near = get_close_matches(name, asked - config.keys(), 1, _ALIKE)
        if near or not only_misspelt:
            part = "architecture" if name in file.architecture else "figures"
            meant = f"did you mean `{near[0]}`?" if near else "leave it out"
            problems.append(((part, name), f"decides nothing of a model of this type with these values; {meant}"))
    if problems:
        raise DataError("\n".join(located(path, problems)))


def _load(data: dict[str, Any], path: Path) -> ModelSpec:
    file = validate(data, ModelFile, path)
    config = file.config()
    asked: set[str] = set()
    try:
        uncounted = _whole(config.pop(UNCOUNTED, None))
        spec = read_config(config, model_id=file.id, uncounted_parameters=uncounted, asked=asked)
    except DataError as error:
        _demand_asked(file, config, asked, path, only_misspelt=True)
        raise type(error)(f"{path}: {error.message}", hints=error.hints) from None
    _demand_asked(file, config, asked, path)
    provenance = {name: file.provenance(name) for name in (*file.architecture, *file.figures)}
    return replace(spec, aliases=tuple(file.aliases), provenance=provenance)


class ModelLibrary(Library[ModelSpec]):
    """Models by Hub id or alias. An alias that is the Hub id of other weights (a base model, a newer revision) gives
    the same architecture under its own id, so that what is launched and priced is what was asked for."""

    def __init__(self, layers: Sequence[Path]) -> None:
        super().__init__(layers, "models", _load, kind="model")
        self._siblings: dict[str, ModelSpec] = {}

    def __getitem__(self, name: str) -> ModelSpec:
        spec = super().__getitem__(name)
        sibling = sibling_id(spec, name)
        if sibling is None:
            return spec
        return self._siblings.setdefault(sibling, replace(spec, id=sibling, aliases=(spec.id,)))


def sibling_id(spec: ModelSpec, name: str) -> str | None:
    """The Hub id among a model's aliases that a name means, if it means other weights than the model's own."""
    wanted = name.casefold()
    own = spec.id.casefold()
    if wanted == own or own.rpartition("/")[2].startswith(wanted):
        return None
    hub_ids = (alias for alias in spec.aliases if "/" in alias)
    return next((alias for alias in hub_ids if wanted in (alias.casefold(), alias.casefold().rpartition("/")[2])), None)
