"""Keys of one file that contradict each other where an engine takes one of them: which one counts is said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from llmplan.catalogs.hf_config.normalize import Config, show
from llmplan.spec.model import MoeFeedForward
from llmplan.spec.tensor import TensorRole

if TYPE_CHECKING:
    from llmplan.catalogs.hf_config.decoder import Decoder
    from llmplan.catalogs.hf_config.descend import Found

LISTED_IN: Final = "layers_listed_in"
"""the key whose list of layers is their number, in a family whose class takes the number from it"""
STATED_LAYERS: Final = "layers_stated"
"""the number that the file states beside it"""
_HEADLESS: Final = re.compile(r"(Model|For(Sequence|Token)Classification|ForQuestionAnswering|ForMultipleChoice)$")
_WITH_HEAD: Final = re.compile(r"(LMHead|Chat|ChatGLM)Model$")
"""classes with one all the same; files of ChatGLM name the class below the one that has it"""
_CAUSAL: Final = "AutoModelForCausalLM"


def contradictions(data: Mapping[str, Any], found: Found, decoder: Decoder) -> Iterator[str]:
    """What is said of a file whose keys do not agree, or that leave out what it otherwise describes."""
    yield from _layers(found.config)
    yield from _dtypes(found.config)
    yield from _head(data, found, decoder)
    yield from _experts(found, decoder)


def _layers(config: Config) -> Iterator[str]:
    stated = config.values.get(STATED_LAYERS)
    if stated is not None and stated != config.layers:
        key = config.values.get(LISTED_IN)
        yield (
            f"`num_hidden_layers` is {show(stated)}, but `{key}` lists {config.layers} layers: "
            "the list counts, as in the model's class"
        )


def _dtypes(config: Config) -> Iterator[str]:
    now, former = config.values.get("dtype"), config.values.get("torch_dtype")
    if not isinstance(now, str) or not isinstance(former, str):
        return
    if now.removeprefix("torch.") != former.removeprefix("torch."):
        yield f"`dtype` is {show(now)} and `torch_dtype` is {show(former)}: `dtype` counts, as in transformers"


def _head(data: Mapping[str, Any], found: Found, decoder: Decoder) -> Iterator[str]:
    """A class without an output matrix beside a model type that has one. Own code may have one under any name."""
    stated = data.get("architectures")
    name = stated[0] if isinstance(stated, list) and stated and isinstance(stated[0], str) else ""
    if not _HEADLESS.search(name) or _WITH_HEAD.search(name):
        return
    own = data.get("auto_map")
    head = sum(tensor.elements for tensor in decoder.globals if tensor.role is TensorRole.HEAD)
    if head and found.config.values.get("model_type") == found.model_type and not (
        isinstance(own, Mapping) and _CAUSAL in own
    ):  # fmt: skip
        yield (
            f"`architectures` names {show(name)}, a class without an output matrix, and `model_type` "
            f"{show(found.model_type)} has one: its {head:,} parameters are counted"
        )


def _experts(found: Found, decoder: Decoder) -> Iterator[str]:
    """A file that describes experts which no layer has."""
    moe, config = found.family.style.moe, found.config
    if moe is None or any(isinstance(group.feed_forward, MoeFeedForward) for group in decoder.layers):
        return
    count, usual = config.values.get(moe.count_key), found.family.defaults.get(moe.count_key)
    if isinstance(count, int) and count > 1 and count != usual:
        first = config.values.get("first_k_dense_replace")
        why = f": `first_k_dense_replace` is {first} of {config.layers}" if config.has("first_k_dense_replace") else ""
        yield f"the file states {count} experts, but no layer has any{why}"
