"""The encoder of Phi-3 Vision and Phi-3.5 Vision: CLIP ViT-L/14-336, whose sizes are in the model's code."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.normalize import Config, show
from llmplan.catalogs.hf_config.towers.clip import clip
from llmplan.catalogs.hf_config.towers.parts import once, pair, section, table, tower
from llmplan.errors import UnsupportedModelError
from llmplan.spec.model import Tower

_CLIP: Final = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 336, "patch_size": 14, "num_channels": 3,
}  # fmt: skip


def phi3_v(config: Config, text: Config) -> Tower:
    """Patches folded 2 x 2, learned separators of rows and of crops, two linears to the decoder."""
    stated = section(config, "img_processor", {"name": "clip_vision_model"}).values["name"]
    if stated != "clip_vision_model":
        raise UnsupportedModelError(
            f"{config.where}: key `img_processor.name`: an encoder of kind {show(stated)} is not read",
            hints=["clip_vision_model is read here"],
        )
    path = "model.vision_embed_tokens"
    vision = Config(where=f"{config.where}: img_processor", values=_CLIP)
    found = clip(f"{path}.img_processor.vision_model", vision)
    merged, at = 4 * found.width, f"{path}.img_projection"
    return tower(
        "vision", found.width, found.layers, *found.parts,
        once(
            [table(f"{path}.glb_GN", 1, 1, merged), table(f"{path}.sub_GN", 1, 1, 1, merged)],
            pair(f"{at}.0", f"{at}.2", (merged, text.hidden, text.hidden)),
        ),
    )  # fmt: skip
