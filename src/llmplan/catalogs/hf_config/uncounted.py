"""What a published model has beside its text decoder, and what is said of it: it is not in the inventory.

Every figure that follows from the inventory (weights, cache, speed) is then short of these, which a reader must know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import Config
from llmplan.units import GB

_TOWERS: Final = ("vision_config", "audio_config", "visual", "vision_tower", "mm_vision_tower")
"""keys under which files describe an encoder of images or sound"""
_DRAFTS: Final = ("num_nextn_predict_layers", "num_mtp_modules", "mtp_num_hidden_layers")
"""keys under which files count their multi-token-prediction layers"""
_BYTES_PER_PARAMETER: Final = 2
"""quantized checkpoints, too, keep their encoders in 16 bit"""


def has_tower(data: Mapping[str, Any]) -> bool:
    """Whether a file describes an encoder of images or sound."""
    return any(data.get(key) for key in _TOWERS)


def tower_note(parameters: int | None) -> str:
    """What is said of a vision or audio tower with so many weights; None: nobody counted them.

    >>> tower_note(676_550_144)
    'text decoder only: 676,550,144 parameters of the vision or audio tower (1.4 GB in 16 bit) and its activations are not counted'
    """  # noqa: E501
    if parameters is None:
        return "text decoder only: the vision or audio tower (its size is unknown) and its activations are not counted"
    size = f"{parameters * _BYTES_PER_PARAMETER / GB:.1f} GB in 16 bit"
    return (
        f"text decoder only: {parameters:,} parameters of the vision or audio tower ({size}) and its activations "
        "are not counted"
    )


def draft_note(config: Config) -> str | None:
    """What is said of layers that predict further tokens; None where the file states none."""
    layers = next((number for key in _DRAFTS if (number := config.optional_integer(key))), 0)
    if not layers:
        return None
    return (
        f"multi-token-prediction layers of the checkpoint ({layers}, of unknown size) are not counted: "
        "engines load them only to draft tokens"
    )
