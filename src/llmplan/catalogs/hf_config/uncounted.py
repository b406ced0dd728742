"""What a published model has beside its text decoder, and what is said of it: it is not in the inventory.

Every figure that follows from the inventory (weights, cache, speed) is then short of these, which a reader must know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import DRAFT_COUNTS, Config
from llmplan.spec.model import Draft
from llmplan.units import GB

_TOWERS: Final = frozenset({
    "vision_config", "audio_config", "vit_config", "visual", "vision_tower", "mm_vision_tower", "audio_encoder_config",
    "encoder_config", "audio_processor", "speech_config", "sound_config",
})  # fmt: skip
"""keys under which files describe an encoder of images or sound"""
_BYTES_PER_PARAMETER: Final = 2
"""quantized checkpoints, too, keep their encoders in 16 bit"""


def described_towers(data: Mapping[str, Any], *, by_class: bool = False) -> frozenset[str]:
    """The keys under which a file describes an encoder of images or sound.

    `by_class`: an empty object describes one, too: the class of a multimodal model has sizes for it.
    """
    return frozenset(key for key in _TOWERS if data.get(key) or (by_class and data.get(key) == {}))


def tower_note(parameters: int | None, *, partly: bool = False) -> str:
    """What is said of a vision or audio tower with so many weights; None: nobody counted them. `partly`: others are.

    >>> tower_note(676_550_144)
    'text decoder only: 676,550,144 parameters of the vision or audio tower (1.4 GB in 16 bit) and its activations are not counted'
    """  # noqa: E501
    if partly:
        return "one of the vision and audio towers is of a kind that is not read: its weights are not counted"
    if parameters is None:
        return "text decoder only: the vision or audio tower (its size is unknown) and its activations are not counted"
    size = f"{parameters * _BYTES_PER_PARAMETER / GB:.1f} GB in 16 bit"
    return (
        f"text decoder only: {parameters:,} parameters of the vision or audio tower ({size}) and its activations "
        "are not counted"
    )


def draft_note(config: Config, draft: Draft | None) -> str | None:
    """What is said of layers that predict further tokens; None where they are counted, or the file states none."""
    if draft is not None:
        return None
    layers = next((number for key in DRAFT_COUNTS if (number := config.optional_integer(key))), 0)
    if not layers:
        return None
    return (
        f"multi-token-prediction layers of the checkpoint ({layers}, of unknown size) are not counted: "
        "engines load them only to draft tokens"
    )
