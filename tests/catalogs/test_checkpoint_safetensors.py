"""Checkpoints of safetensors files: every byte of the files is in the inventory, where it belongs."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from checkpoint_files import (
    SMALL,
    SMALL_LAYER,
    SMALL_WEIGHTS,
    Shapes,
    by_role,
    gguf_llama,
    llama,
    shapes_of,
    size_of,
    stored,
    stored_total,
    total,
    write_gguf,
    write_header,
    write_model,
    write_safetensors,
    write_shards,
)
from llmplan.catalogs.checkpoint import is_checkpoint, read_checkpoint
from llmplan.catalogs.hf_config import read_config
from llmplan.errors import DataError, LlmplanError, UsageError
from llmplan.spec.tensor import TensorRole

MIXTURE: dict[str, Any] = SMALL | {
    "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2, "num_hidden_layers": 2,
}  # fmt: skip
LAYER = "model.layers.{i}"


def only_layers(shapes: Shapes, layer: int) -> Shapes:
    return {name: tensor for name, tensor in shapes.items() if f".layers.{layer}." in name}


def test_every_tensor_has_its_bytes(tmp_path: Path) -> None:
    read = read_checkpoint(write_model(tmp_path, SMALL, llama()))
    assert stored_total(read.model) == read.stored_bytes == 2 * SMALL_WEIGHTS
    assert stored(read.model, f"{LAYER}.self_attn.k_proj.weight") == 2 * 16 * 64
    assert stored(read.model, "model.embed_tokens.weight") == 2 * 96 * 64
    assert (read.files, read.tensors, read.unmatched, read.model.notes) == (1, 30, (), ())
    assert read.model.checkpoint_format == read.model.dtype == "bf16"
    origin = read.model.provenance["checkpoint_bytes"]
    assert origin.source.title == "headers of 30 tensors in 1 file"
    assert origin.kind == "measured"


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    shapes = llama()
    folder = write_shards(tmp_path, SMALL, shapes, 4)
    for path in (folder, folder / "model.safetensors.index.json", folder / "model-00003-of-00004.safetensors"):
        read = read_checkpoint(path)
        assert (read.files, read.tensors, stored_total(read.model)) == (4, 30, 2 * SMALL_WEIGHTS)


def test_shards_without_an_index(tmp_path: Path) -> None:
    folder = write_shards(tmp_path, SMALL, llama(), 3)
    (folder / "model.safetensors.index.json").unlink()
    assert read_checkpoint(folder).stored_bytes == 2 * SMALL_WEIGHTS


def test_one_shard_of_a_hundred_or_more(tmp_path: Path) -> None:
    """Some publishers count with six digits: `model-00001-of-000163`."""
    folder = write_shards(tmp_path, SMALL, llama(), 2)
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text(encoding="utf-8").replace("of-00002", "of-000002"), encoding="utf-8")
    for part in (1, 2):
        name = f"model-{part:05d}-of-"
        (folder / f"{name}00002.safetensors").rename(folder / f"{name}000002.safetensors")
    assert read_checkpoint(folder / "model-00002-of-000002.safetensors").stored_bytes == 2 * SMALL_WEIGHTS
    index.unlink()
    assert read_checkpoint(folder / "model-00002-of-000002.safetensors").stored_bytes == 2 * SMALL_WEIGHTS


def test_a_lone_shard_without_an_index_asks_for_the_others(tmp_path: Path) -> None:
    folder = write_shards(tmp_path, SMALL, llama(), 3)
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(DataError, match=r"1 of 3 parts are missing: model-00002-of-00003\.safetensors"):
        read_checkpoint(folder / "model-00001-of-00003.safetensors")


def test_other_files_of_a_repository_are_not_the_model(tmp_path: Path) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    write_safetensors(folder / "consolidated.safetensors", {"tok_embeddings.weight": ("BF16", (96, 64))})
    write_safetensors(folder / "adapter_model.safetensors", {"lora_A.weight": ("F32", (4, 64))})
    assert read_checkpoint(folder).stored_bytes == 2 * SMALL_WEIGHTS


def test_links_are_followed_as_in_a_download_cache(tmp_path: Path) -> None:
    source = write_model(tmp_path / "blobs", SMALL, llama())
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).symlink_to(source / name)
    assert read_checkpoint(snapshot).stored_bytes == 2 * SMALL_WEIGHTS


def test_layers_that_differ_have_their_average(tmp_path: Path) -> None:
    """One of three layers in 32 bit: 4/3 of the bytes of a layer in 16 bit, and the total exact."""
    shapes = llama() | {name: ("F32", shape) for name, (_, shape) in only_layers(llama(), 1).items()}
    read = read_checkpoint(write_model(tmp_path, SMALL, shapes))
    assert stored(read.model, f"{LAYER}.mlp.up_proj.weight") == pytest.approx(160 * 64 * (2 + 4 + 2) / 3)
    assert stored_total(read.model) == total(shapes) == 2 * SMALL_WEIGHTS + 2 * SMALL_LAYER


def test_the_files_decide_about_the_type(tmp_path: Path) -> None:
    read = read_checkpoint(write_model(tmp_path, SMALL | {"torch_dtype": None}, llama("F32")))
    assert (read.model.checkpoint_format, read.model.dtype) == ("fp32", "fp32")
    read = read_checkpoint(write_model(tmp_path, SMALL, llama("F16")))
    assert (read.model.checkpoint_format, read.model.dtype) == ("fp16", "fp16")


def test_a_fused_projection_is_divided_by_elements(tmp_path: Path) -> None:
    """q is 64 of 96 rows, k and v 32."""
    config = SMALL | {"model_type": "phi3"}
    model = read_config(config, model_id="x")
    shapes = shapes_of(model)
    assert shapes["model.layers.0.self_attn.qkv_proj.weight"] == ("BF16", (96, 64))
    read = read_checkpoint(write_model(tmp_path, config, shapes))
    parts = [t.stored_bytes for _, t in read.model.tensors() if t.name == f"{LAYER}.self_attn.qkv_proj.weight"]
    assert parts == [2 * 64 * 64, 2 * 32 * 64]
    assert stored_total(read.model) == total(shapes)


def test_separate_projections_where_the_config_means_a_fused_one(tmp_path: Path) -> None:
    config = SMALL | {"model_type": "phi3"}
    read = read_checkpoint(write_model(tmp_path, config, llama()))
    assert stored(read.model, f"{LAYER}.self_attn.qkv_proj.weight") == 2 * 96 * 64
    assert stored(read.model, f"{LAYER}.mlp.gate_up_proj.weight") == 2 * 320 * 64
    assert stored_total(read.model) == 2 * SMALL_WEIGHTS


@pytest.mark.parametrize("fused", [False, True])
def test_experts_numbered_or_fused(tmp_path: Path, fused: bool) -> None:
    model = read_config(MIXTURE, model_id="x")
    shapes = shapes_of(model)
    experts = 2 * 4 * 3 * 160 * 64
    if fused:
        shapes = {name: tensor for name, tensor in shapes.items() if ".experts." not in name}
        for layer in range(2):
            path = f"model.layers.{layer}.block_sparse_moe.experts"
            shapes[f"{path}.gate_up_proj"] = ("BF16", (4, 320, 64))
            shapes[f"{path}.down_proj"] = ("BF16", (4, 64, 160))
    read = read_checkpoint(write_model(tmp_path, MIXTURE, shapes))
    assert by_role(read.model, TensorRole.EXPERT) == 2 * experts
    assert stored_total(read.model) == total(shapes)
    assert not read.unmatched


def test_another_prefix_before_all_paths(tmp_path: Path) -> None:
    shapes = {name.replace("model.", "model.language_model.", 1): tensor for name, tensor in llama().items()}
    read = read_checkpoint(write_model(tmp_path, SMALL, shapes))
    assert (stored_total(read.model), read.unmatched) == (2 * SMALL_WEIGHTS, ())
    bare = {name.removeprefix("model."): tensor for name, tensor in llama().items()}
    read = read_checkpoint(write_model(tmp_path, SMALL, bare))
    assert (stored_total(read.model), read.unmatched) == (2 * SMALL_WEIGHTS, ())


DELTA: dict[str, Any] = {
    "model_type": "qwen3_5", "architectures": ["Qwen3_5ForConditionalGeneration"], "torch_dtype": "bfloat16",
    "text_config": {
        "model_type": "qwen3_5_text", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 96,
        "max_position_embeddings": 2048, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
        "linear_key_head_dim": 16, "linear_value_head_dim": 16, "full_attention_interval": 4,
    },
}  # fmt: skip
"""three layers of the gated delta rule to one of attention, in a multimodal file without its tower"""


def test_a_converter_that_puts_the_prefix_elsewhere(tmp_path: Path) -> None:
    """MLX: `language_model.model.` for `model.language_model.`, the head behind it, parameters without suffix."""
    model = read_config(DELTA, model_id="x")
    shapes = shapes_of(model)
    assert "model.language_model.layers.0.linear_attn.dt_bias" in shapes
    moved: Shapes = {}
    for name, tensor in shapes.items():
        name = name.replace("model.language_model.", "language_model.model.")
        moved[name.replace("lm_head", "language_model.lm_head")] = tensor
    moved["vision_tower.patch_embed.proj.weight"] = ("BF16", (64, 48))
    read = read_checkpoint(write_model(tmp_path, DELTA, moved))
    assert stored_total(read.model) == total(moved)
    assert [tensor.name for tensor in read.unmatched] == ["vision_tower.patch_embed.proj.weight"]
    assert not read.model.tied_embeddings
    assert stored(read.model, "model.language_model.layers.{i}.linear_attn.dt_bias") == 2 * 4
    assert by_role(read.model, TensorRole.HEAD) == 2 * 96 * 64


def test_names_of_another_library_are_matched_by_size(tmp_path: Path) -> None:
    """Meta's own layout of a Llama, in which nothing is called as in the config's library."""
    renamed = {
        "model.embed_tokens": "tok_embeddings", "lm_head": "output", "self_attn.q_proj": "attention.wq",
        "self_attn.k_proj": "attention.wk", "self_attn.v_proj": "attention.wv", "self_attn.o_proj": "attention.wo",
        "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2",
        "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm", "model.": "",
    }  # fmt: skip
    shapes: Shapes = {}
    for name, tensor in llama().items():
        for theirs, ours in renamed.items():
            name = name.replace(theirs, ours)
        shapes[name] = tensor
    read = read_checkpoint(write_model(tmp_path, SMALL, shapes, name="consolidated.safetensors"))
    assert stored_total(read.model) == 2 * SMALL_WEIGHTS
    assert by_role(read.model, TensorRole.EMBED) == by_role(read.model, TensorRole.HEAD) == 2 * 96 * 64


def test_what_the_config_does_not_describe_is_counted_and_said(tmp_path: Path) -> None:
    beyond: Shapes = {
        f"visual.blocks.{layer}.attn.qkv.weight": ("BF16", (96, 32)) for layer in range(2)
    } | {"model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", (4,))}  # fmt: skip
    read = read_checkpoint(write_model(tmp_path, SMALL, llama() | beyond))
    assert {tensor.name for tensor in read.unmatched} == set(beyond)
    assert stored_total(read.model) == read.stored_bytes == 2 * SMALL_WEIGHTS + total(beyond)
    assert read.model.total_parameters == SMALL_WEIGHTS
    (note,) = read.model.notes
    assert note == (
        f"beyond the config's description the files hold 3 tensors ({total(beyond):,} bytes), counted as stored: "
        "model.layers.*.self_attn.rotary_emb.inv_freq, visual.blocks.*.attn.qkv.weight"
    )


def test_a_tower_of_a_kind_that_is_not_read_is_counted_as_stored(tmp_path: Path) -> None:
    """The config's reader says that it is not counted; the files show how large it is."""
    config = SMALL | {"vision_config": {"model_type": "of-its-own"}}
    tower: Shapes = {"vision_tower.patch.weight": ("BF16", (48, 64))}
    described = read_config(config, model_id="x")
    assert ["not counted" in note for note in described.notes] == [True]
    read = read_checkpoint(write_model(tmp_path, config, llama() | tower))
    assert stored_total(read.model) == 2 * SMALL_WEIGHTS + total(tower)
    assert read.model.notes[0] == "the vision or audio tower is counted as stored, its activations are not"


def test_layers_for_drafting_are_apart(tmp_path: Path) -> None:
    """A fourth layer behind the three that the config counts: stored, but loaded only to draft tokens."""
    fourth = only_layers(llama(layers=4), 3)
    read = read_checkpoint(write_model(tmp_path, SMALL, llama() | fourth))
    assert read.model.draft is not None
    drafting = sum(t.stored_bytes or 0 for _, t in read.model.draft.tensors())
    assert drafting == total(fourth)
    assert stored_total(read.model) == 2 * SMALL_WEIGHTS + total(fourth)


def test_an_output_matrix_stored_though_it_is_tied(tmp_path: Path) -> None:
    read = read_checkpoint(write_model(tmp_path, SMALL | {"tie_word_embeddings": True}, llama()))
    assert [tensor.name for tensor in read.unmatched] == ["lm_head.weight"]
    assert stored_total(read.model) == 2 * SMALL_WEIGHTS


def test_no_output_matrix_means_a_tied_one(tmp_path: Path) -> None:
    shapes = {name: tensor for name, tensor in llama().items() if name != "lm_head.weight"}
    read = read_checkpoint(write_model(tmp_path, SMALL, shapes))
    assert read.model.tied_embeddings
    assert stored_total(read.model) == 2 * (SMALL_WEIGHTS - 96 * 64)
    assert read.model.total_parameters == SMALL_WEIGHTS - 96 * 64
    assert "the embedding serves as one" in read.model.notes[0]


@pytest.mark.parametrize("suffix", ["safetensors", "gguf"])
def test_the_layer_that_lacks_a_tensor_is_named(tmp_path: Path, suffix: str) -> None:
    if suffix == "gguf":
        shapes = {name: t for name, t in gguf_llama().items() if name != "blk.1.ffn_up.weight"}
        write_gguf(tmp_path / "model.gguf", shapes)
        path = tmp_path / "model.gguf"
    else:
        path = write_model(
            tmp_path, SMALL, {n: t for n, t in llama().items() if n != "model.layers.1.mlp.up_proj.weight"}
        )
    with pytest.raises(DataError) as caught:
        read_checkpoint(path)
    assert "model.layers.1.mlp.up_proj.weight is not in the files" in caught.value.message


def test_further_layers_that_lack_it_are_counted(tmp_path: Path) -> None:
    lacking = {f"model.layers.{layer}.mlp.up_proj.weight" for layer in (1, 2)}
    shapes = {name: t for name, t in llama().items() if name not in lacking}
    with pytest.raises(DataError, match=r"model\.layers\.1\.mlp\.up_proj\.weight \(and of 1 more layer\) is not in"):
        read_checkpoint(write_model(tmp_path, SMALL, shapes))


def test_a_pointer_in_the_configs_place_is_said(tmp_path: Path) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    (folder / "config.json").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DataError, match=r"config\.json: a Git LFS pointer, not the file itself") as caught:
        read_checkpoint(folder)
    assert caught.value.hints == ("git lfs pull", "or download config.json by itself")


def test_biases_that_the_files_lack_are_said(tmp_path: Path) -> None:
    config = SMALL | {"hidden_size": 1024, "intermediate_size": 4096, "attention_bias": True}
    shapes = {n: t for n, t in shapes_of(read_config(config, model_id="x")).items() if not n.endswith(".bias")}
    read = read_checkpoint(write_model(tmp_path, config, shapes))
    assert stored_total(read.model) == total(shapes)
    assert "not in the files, though the config describes them: model.layers.0.self_attn" in read.model.notes[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"intermediate_size": 320}, r"tensor 'model\.layers\.0\.mlp\.gate_proj\.weight' is 160x64 of BF16, 10,240"),
        ({"num_hidden_layers": 4}, r"model\.layers\.3\.|model\.layers\.0\."),
        ({"num_key_value_heads": 4}, r"k_proj\.weight' is 16x64 of BF16, 1,024 elements; the config describes 2,048"),
        ({"vocab_size": 100}, r"embed_tokens\.weight' is 96x64"),
        ({"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}, r"block_sparse_moe"),
    ],
)  # fmt: skip
def test_the_config_of_another_model_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_checkpoint(write_model(tmp_path, SMALL | changes, llama()))
    assert "is the config that of this model?" in caught.value.hints[0]


def test_no_config_beside_the_file(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", llama())
    with pytest.raises(UsageError, match=r"no config\.json beside model\.safetensors"):
        read_checkpoint(tmp_path)


def test_what_is_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert not is_checkpoint(tmp_path)
    assert not is_checkpoint(tmp_path / "config.json")
    with pytest.raises(UsageError, match="no checkpoint is there"):
        read_checkpoint(tmp_path)
    write_safetensors(tmp_path / "model.safetensors", llama())
    assert is_checkpoint(tmp_path)
    assert is_checkpoint(tmp_path / "model.safetensors")


def edited(path: Path, change: Any) -> None:
    """The header with one change, the data as it was."""
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = change(json.loads(raw[8 : 8 + length]))
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


def with_entry(**changes: Any) -> Any:
    def change(header: dict[str, Any]) -> dict[str, Any]:
        header["model.norm.weight"] |= changes
        return header

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_entry(dtype="F7"), "unknown type 'F7'"),
        (with_entry(dtype=None), "unknown type None"),
        (with_entry(shape=[2**40, 2**40]), "astronomical size"),
        (with_entry(shape=[-1]), "`shape` is not a list of whole numbers"),
        (with_entry(shape=[1.5]), "`shape` is not a list of whole numbers"),
        (with_entry(shape=[True]), "`shape` is not a list of whole numbers"),
        (with_entry(shape="64"), "`shape` is not a list of whole numbers"),
        (with_entry(data_offsets=[0, 2**62]), "another number of bytes"),
        (with_entry(data_offsets=[128, 0]), "not a beginning and an end"),
        (with_entry(data_offsets=[0]), "not a beginning and an end"),
        (with_entry(data_offsets=[0, 128]), "overlaps the one before it|leaves a gap"),
        (lambda header: header | {"x": 3}, "tensor 'x': expected an object"),
        (lambda header: b'{"a": 1, "a": 2}', "stated twice"),
        (lambda header: b'{"a":' + b"[" * 100_000, "nested too deeply|not JSON"),
        (lambda header: b"{}{}", "not JSON: Extra data"),
        (lambda header: b'{"\xff', "not UTF-8"),
        (lambda header: b'{"a": NaN}', "NaN is not a JSON number"),
        (lambda header: b'{"a":[' + b"1," * 2_000_001 + b"1]}", "more values than"),
        (lambda header: {k: v for k, v in header.items() if k != "lm_head.weight"}, "leaves a gap|belong to no tensor"),
    ],
)  # fmt: skip
def test_a_damaged_header_is_one_clear_error(tmp_path: Path, change: Any, said: str) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    edited(folder / "model.safetensors", change)
    with pytest.raises(DataError, match=said) as caught:
        read_checkpoint(folder)
    assert str(folder / "model.safetensors") in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\x01\x02", "too few"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS pointer"),
        (struct.pack("<Q", 2**63) + b"{}", "not a safetensors file"),
        (struct.pack("<Q", 1000) + b"{}", "cut off: 998 of 1,008 bytes are missing"),
        (b"PK\x03\x04" + bytes(100), "not a safetensors file"),
    ],
)
def test_what_is_no_safetensors_file(tmp_path: Path, content: bytes, said: str) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_checkpoint(folder)


def test_a_file_that_was_cut_off_says_how_much_is_missing(tmp_path: Path) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    file = folder / "model.safetensors"
    os.truncate(file, file.stat().st_size - 1_000)
    with pytest.raises(DataError, match=r"cut off: 1,000 of [\d,]+ bytes are missing") as caught:
        read_checkpoint(folder)
    assert "download" in caught.value.hints[0]


@pytest.mark.parametrize("name", ["/etc/passwd", "../model.safetensors", "a/b.safetensors", "..", "", "C:x", 7, None])
def test_an_index_names_files_of_its_own_folder_only(tmp_path: Path, name: object) -> None:
    folder = write_model(tmp_path / "model", SMALL, llama())
    index = {"weight_map": {"lm_head.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(DataError, match=r"is not the name of a file beside it|expected the name of a file"):
        read_checkpoint(folder)


def test_an_index_must_fit_its_shards(tmp_path: Path) -> None:
    folder = write_shards(tmp_path, SMALL, llama(), 2)
    index = folder / "model.safetensors.index.json"
    stated = json.loads(index.read_text(encoding="utf-8"))
    (folder / "model-00002-of-00002.safetensors").rename(folder / "away.bin")
    with pytest.raises(DataError, match=r"1 of 2 parts are missing: model-00002-of-00002\.safetensors"):
        read_checkpoint(folder)
    (folder / "away.bin").rename(folder / "model-00002-of-00002.safetensors")
    stated["weight_map"]["extra.weight"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(stated), encoding="utf-8")
    with pytest.raises(DataError, match=r"'extra\.weight' is not in model-00001-of-00002\.safetensors"):
        read_checkpoint(folder)
    index.write_text(json.dumps({"weight_map": []}), encoding="utf-8")
    with pytest.raises(DataError, match="weight_map"):
        read_checkpoint(folder)


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path, SMALL, llama(), name="one.safetensors")
    write_safetensors(folder / "two.safetensors", {"lm_head.weight": ("BF16", (96, 64))})
    with pytest.raises(DataError, match=r"'lm_head\.weight' is in one\.safetensors and in two\.safetensors"):
        read_checkpoint(folder)


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    with pytest.raises(DataError, match="not a regular file"):
        read_checkpoint(folder)


def test_a_link_that_leads_round_in_a_circle(tmp_path: Path) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(folder / "model.safetensors")
    with pytest.raises(LlmplanError, match="cannot be read"):
        read_checkpoint(folder)


def test_hundreds_of_shards_and_many_experts_take_seconds(tmp_path: Path) -> None:
    """500 shards with 30,000 tensors of experts: only headers are read, so the wall is far below a download's."""
    config = MIXTURE | {"num_hidden_layers": 40, "num_local_experts": 250}
    shapes = shapes_of(read_config(config, model_id="x"))
    assert len(shapes) > 30_000
    folder = write_shards(tmp_path, config, shapes, 500)
    begun = time.process_time()
    read = read_checkpoint(folder)
    assert time.process_time() - begun < 8
    assert stored_total(read.model) == total(shapes)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    """A terabyte of holes: reading or mapping it would not end."""
    config = SMALL | {"hidden_size": 2**14, "intermediate_size": 2**20, "vocab_size": 2**20, "num_attention_heads": 128}
    shapes = shapes_of(read_config(config, model_id="x"))
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    try:
        write_header(tmp_path / "model.safetensors", shapes)
    except OSError:
        pytest.skip("the file system holds no file of that length")
    assert read_checkpoint(tmp_path).stored_bytes == total(shapes) == sum(map(size_of, shapes.values()))
