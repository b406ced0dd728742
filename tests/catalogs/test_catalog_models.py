"""The catalogue of models: lazy lookup by id and alias, provenance that survives loading, strict files."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.models import load_models
from llmplan.errors import DataError, UnknownIdError, UnsupportedModelError

PROFILES = packaged_profiles()
MODELS = load_models([PROFILES])

GOOD = """\
id: acme/tiny
aliases: [tiny]
defaults: {source: config, as_of: 2026-11-20, kind: published}
architecture: {model_type: llama, torch_dtype: bfloat16, tie_word_embeddings: false}
figures:
  hidden_size: 64
  intermediate_size: 160
  num_hidden_layers: 4
  num_attention_heads: 8
  vocab_size: {value: 1000, kind: derived, note: rounded}
  max_position_embeddings: 2048
sources:
  config: {title: "a config", url: "https://example.org"}
"""


def layer(folder: Path, text: str, name: str = "acme--tiny") -> Path:
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "models" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_there_are_enough_models_of_enough_families() -> None:
    assert len(MODELS) >= 100
    assert len({MODELS[model_id].model_type for model_id in MODELS}) >= 30


def test_ids_aliases_and_files_agree_and_no_name_is_claimed_twice() -> None:
    owners: dict[str, str] = {}
    for model_id in MODELS:
        model = MODELS[model_id]
        assert model.id == model_id
        for name in (model.id, *model.aliases):
            assert owners.setdefault(name.casefold(), model.id) == model.id, name


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("META-LLAMA/llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct"),
    ],
)
def test_lookup(name: str, model_id: str) -> None:
    assert MODELS[name].id == model_id


def test_an_unknown_model_offers_the_nearest() -> None:
    with pytest.raises(UnknownIdError) as caught:
        MODELS["meta-llama/Llama-3.1-9B-Instruct"]
    assert "meta-llama/Llama-3.1-8B-Instruct" in caught.value.near


def test_only_the_file_asked_for_is_read(tmp_path: Path) -> None:
    layer(layer(tmp_path, GOOD), "broken: [", "acme--broken")
    models = load_models([tmp_path])
    assert models["acme/tiny"].hidden_size == 64
    with pytest.raises(DataError):
        models["acme/broken"]


def test_provenance_survives_loading_for_every_figure_and_fact() -> None:
    for model_id in MODELS:
        model = MODELS[model_id]
        for name, provenance in model.provenance.items():
            assert provenance.source.title, (model_id, name)
            assert provenance.as_of is not None, (model_id, name)
        assert {"model_type"} <= set(model.provenance)
        assert len(model.provenance) >= 8


def test_a_figures_own_kind_and_note(tmp_path: Path) -> None:
    provenance = load_models([layer(tmp_path, GOOD)])["tiny"].provenance
    assert (provenance["vocab_size"].kind, provenance["vocab_size"].note) == ("derived", "rounded")
    assert provenance["hidden_size"].kind == "published"


def test_a_later_layer_patches_a_figure(tmp_path: Path) -> None:
    over = "id: acme/tiny\nextends: acme/tiny\nfigures: {max_position_embeddings: {value: 4096, source: mine}}\n"
    over += "sources: {mine: {title: own, retrieved: 2026-11-20}}\n"
    models = load_models([layer(tmp_path / "a", GOOD), layer(tmp_path / "b", over)])
    model = models["acme/tiny"]
    assert model.max_context_tokens == 4096
    assert model.provenance["max_position_embeddings"].source.title == "own"
    assert model.provenance["model_type"].source.title == "a config"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("hidden_size: 64", "hidden_sise: 64", "hidden_sise"),
        ("hidden_size: 64", "hidden_size: -64", "negative"),
        ("hidden_size: 64", "hidden_size: sixty-four", "hidden_size"),
        ("hidden_size: 64", "hidden_size: 64.5", "hidden_size"),
        ("  hidden_size: 64\n", "", "hidden_size"),
        ("model_type: llama", "model_type: llama, color: red", "color"),
        ("id: acme/tiny", "id: tiny", "its id is"),
        ("id: acme/tiny", "id: acme/tiny\nsize: 3", "size"),
        ("source: config,", "source: other,", "not declared"),
        ("torch_dtype: bfloat16, ", "", "torch_dtype"),
    ],
)
def test_a_broken_profile_is_an_error_that_names_file_and_key(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:  # fmt: skip
    models = load_models([layer(tmp_path, GOOD.replace(old, new))])
    with pytest.raises(DataError, match=problem) as caught:
        models["acme/tiny"]
    assert "acme--tiny.yaml" in caught.value.message


def test_an_unknown_model_type_stays_unsupported(tmp_path: Path) -> None:
    models = load_models([layer(tmp_path, GOOD.replace("llama", "nonesuch"))])
    with pytest.raises(UnsupportedModelError, match="nonesuch"):
        models["acme/tiny"]


def test_profiles_are_small() -> None:
    """Lists of modules are stated as patterns, so that a file can be read by a person, and fast by a program."""
    for path in sorted((PROFILES / "models").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, path
        assert len(text) <= 40_000, path


@pytest.mark.parametrize(
    ("old", "new", "line", "meant"),
    [
        ("hidden_size: 64", "hidden_sise: 64", "6:3: figures.hidden_sise", "did you mean `hidden_size`?"),
        (
            "  vocab_size:",
            "  num_key_value_head: 2\n  vocab_size:",
            "figures.num_key_value_head",
            "`num_key_value_heads`?",
        ),
        ("tie_word_embeddings: false", "tie_word_embedings: false", "4:", "did you mean `tie_word_embeddings`?"),
        ("  vocab_size:", "  kv_lora_rank: 512\n  vocab_size:", "figures.kv_lora_rank", "leave it out"),
        ("model_type: llama", "model_type: llama, hidden_act: silu", "architecture.hidden_act", "leave it out"),
    ],
)
def test_a_key_that_the_reader_never_looks_at_is_refused(
    tmp_path: Path, old: str, new: str, line: str, meant: str
) -> None:  # fmt: skip
    models = load_models([layer(tmp_path, GOOD.replace(old, new))])
    with pytest.raises(DataError, match="decides nothing") as caught:
        models["acme/tiny"]
    assert line in caught.value.message
    assert meant in caught.value.message


def test_what_is_known_depends_on_the_family(tmp_path: Path) -> None:
    text = GOOD.replace("model_type: llama", "model_type: llama, use_sliding_window: false")
    with pytest.raises(DataError, match=r"architecture\.use_sliding_window: decides nothing"):
        load_models([layer(tmp_path / "llama", text)])["acme/tiny"]
    model = load_models(
        [
            layer(
                tmp_path / "qwen",
                text.replace("llama,", "qwen2,").replace("  vocab", "  num_key_value_heads: 8\n  vocab"),
            )
        ]
    )["acme/tiny"]
    assert "use_sliding_window" in model.provenance


def test_numbers_are_figures(tmp_path: Path) -> None:
    text = GOOD.replace("model_type: llama", "model_type: llama, num_key_value_heads: 4")
    with pytest.raises(DataError, match=r"architecture\.num_key_value_heads: is a number: it belongs under `figures`"):
        load_models([layer(tmp_path, text)])["acme/tiny"]


def test_what_is_not_counted_is_noted() -> None:
    """Encoders and draft layers of a kind that is read are counted, so that no note is left."""
    assert MODELS["qwen2.5-vl-7b"].notes == ()
    assert MODELS["qwen2.5-vl-7b"].uncounted_parameters is None
    for name in ("deepseek-r1", "deepseek-v3", "zai-org/GLM-4.5", "zai-org/GLM-4.7"):
        assert MODELS[name].draft is not None, name
        assert MODELS[name].notes == (), name
    assert MODELS["llama-3.1-8b"].notes == ()
    assert MODELS["llama-3.1-8b"].uncounted_parameters is None


def test_an_encoder_in_a_profile_is_counted() -> None:
    """Qwen2.5-VL-7B, Gemma 3 27B and Qwen3-VL-8B as the Hub counts them, their encoders included."""
    assert MODELS["qwen2.5-vl-7b"].total_parameters == 8_292_166_656
    assert MODELS["gemma-3-27b"].total_parameters == 27_432_406_640
    assert MODELS["qwen3-vl-8b"].total_parameters == 8_767_123_696
    assert MODELS["qwen2.5-vl-7b"].tower_parameters == 676_550_144
    assert MODELS["gemma-3-12b"].towers[0].max_item_tokens == 256
    assert MODELS["qwen2.5-vl-7b"].provenance["vision_config"].source


def test_the_uncounted_figure_must_be_a_number_of_parameters(tmp_path: Path) -> None:
    figure = "figures:\n  uncounted_parameters: {}\n"
    stated = load_models([layer(tmp_path / "a", GOOD.replace("figures:\n", figure.format(1_000_000)))])["acme/tiny"]
    assert stated.uncounted_parameters == 1_000_000
    assert "1,000,000 parameters" in stated.notes[0]
    with pytest.raises(DataError, match=r"uncounted_parameters.*whole number"):
        load_models([layer(tmp_path / "b", GOOD.replace("figures:\n", figure.format(1.5)))])["acme/tiny"]
