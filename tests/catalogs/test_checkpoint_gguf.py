"""GGUF files: header, mixes of block types, split files, and the config that their metadata amounts to."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import gguf
import pytest

from checkpoint_files import (
    F32,
    LLAMA_KEYS,
    Q4_K,
    Q6_K,
    Q8_0,
    SMALL,
    SMALL_WEIGHTS,
    GgufShapes,
    ggml_bytes,
    ggml_total,
    gguf_llama,
    stored,
    stored_total,
    write_gguf,
    write_gguf_header,
)
from llmplan.catalogs.checkpoint import is_checkpoint, read_checkpoint
from llmplan.catalogs.checkpoint.ggml import BLOCK_SIZES, FILE_TYPES, TYPES
from llmplan.errors import DataError, UnsupportedModelError, UsageError
from llmplan.spec.model import GqaAttention, MlaAttention, MoeFeedForward

LAYER = "model.layers.{i}"


def test_block_sizes_are_those_of_the_package() -> None:
    """But for Q8_1, which no file holds: the package pads its two 16-bit scales to 32 bit, ggml-common.h does not."""
    for kind, (weights, size) in gguf.GGML_QUANT_SIZES.items():
        if kind.name != "Q8_1":
            assert TYPES[kind.value] == kind.name
            assert BLOCK_SIZES[kind.name] == (size, weights)


def test_file_types_are_those_of_the_package() -> None:
    theirs = {
        kind.value: kind.name.removeprefix("MOSTLY_").removeprefix("ALL_").lower()
        for kind in gguf.LlamaFileType
        if kind.name != "GUESSED"
    }
    assert theirs == {number: name for number, name in FILE_TYPES.items() if number in theirs}
    assert theirs.keys() <= FILE_TYPES.keys()


def test_every_tensor_has_its_bytes(tmp_path: Path) -> None:
    """Q8_0 takes 34 bytes for 32 weights, norms stay in 32 bit."""
    write_gguf(tmp_path / "small-Q8_0.gguf", gguf_llama())
    read = read_checkpoint(tmp_path / "small-Q8_0.gguf")
    vectors = 7 * 64
    assert stored_total(read.model) == read.stored_bytes == (SMALL_WEIGHTS - vectors) * 34 // 32 + 4 * vectors
    assert stored(read.model, f"{LAYER}.self_attn.k_proj.weight") == 16 * 64 * 34 / 32
    assert stored(read.model, f"{LAYER}.mlp.down_proj.weight") == 64 * 160 * 34 / 32
    assert stored(read.model, f"{LAYER}.input_layernorm.weight") == 4 * 64
    assert (read.files, read.tensors, read.unmatched, read.model.notes) == (1, 30, (), ())
    assert (read.model.checkpoint_format, read.model.dtype) == ("gguf-q8_0", "fp16")


def test_the_metadata_is_the_config(tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", gguf_llama())
    model = read_checkpoint(tmp_path).model
    assert (model.model_type, model.layer_count, model.hidden_size, model.vocab_size) == ("llama", 3, 64, 96)
    assert (model.max_context_tokens, model.tied_embeddings, model.total_parameters) == (2048, False, SMALL_WEIGHTS)
    (group,) = model.layers
    (attention,) = group.mixers
    assert isinstance(attention, GqaAttention)
    assert (attention.query_heads, attention.kv_heads, attention.head_dim) == (8, 2, 8)


def test_a_mix_is_counted_per_tensor_and_averaged_over_layers(tmp_path: Path) -> None:
    """A third of the layers in Q6_K (210 bytes for 256 weights), the rest in Q4_K (144)."""
    keys = LLAMA_KEYS | {"embedding_length": 256, "feed_forward_length": 512}
    shapes: GgufShapes = {}
    for name, (kind, shape) in gguf_llama(Q4_K).items():
        wide = tuple({64: 256, 160: 512, 16: 64}.get(size, size) for size in shape)
        shapes[name] = (Q6_K if name == "blk.1.attn_v.weight" else kind, wide)
    write_gguf(tmp_path / "mix.gguf", shapes, keys=keys, file_type=15)
    read = read_checkpoint(tmp_path)
    assert stored(read.model, f"{LAYER}.self_attn.v_proj.weight") == 64 * 256 * (210 + 144 + 144) / 3 / 256
    assert stored_total(read.model) == ggml_total(shapes)
    assert read.model.checkpoint_format == "gguf-q4_k_m"


def test_split_files_are_one(tmp_path: Path) -> None:
    write_gguf(tmp_path / "small.gguf", gguf_llama(), split_max_tensors=11)
    parts = sorted(path.name for path in tmp_path.iterdir())
    assert parts == [f"small-0000{part}-of-00003.gguf" for part in (1, 2, 3)]
    for path in (tmp_path, tmp_path / parts[0], tmp_path / parts[2]):
        read = read_checkpoint(path)
        assert (read.files, read.tensors, stored_total(read.model)) == (3, 30, ggml_total(gguf_llama()))
    (tmp_path / parts[1]).unlink()
    with pytest.raises(DataError, match=r"1 of 3 parts are missing: small-00002-of-00003\.gguf"):
        read_checkpoint(tmp_path)


def test_a_part_under_another_name_is_noticed(tmp_path: Path) -> None:
    write_gguf(tmp_path / "small.gguf", gguf_llama(), split_max_tensors=11)
    (tmp_path / "small-00001-of-00003.gguf").rename(tmp_path / "renamed.gguf")
    with pytest.raises(DataError, match="is one of 3 parts of a split file"):
        read_checkpoint(tmp_path / "renamed.gguf")


def test_several_models_in_a_folder_are_a_question_back(tmp_path: Path) -> None:
    for name in ("small-Q8_0.gguf", "small-Q4_0.gguf", "mmproj-small.gguf"):
        write_gguf(tmp_path / name, gguf_llama())
    with pytest.raises(UsageError, match=r"holds 2 models: small-Q4_0\.gguf, small-Q8_0\.gguf") as caught:
        read_checkpoint(tmp_path)
    assert caught.value.hints == (f"name one of them: {tmp_path / 'small-Q4_0.gguf'}",)
    assert read_checkpoint(tmp_path / "small-Q4_0.gguf").tensors == 30


def test_the_projector_of_images_is_no_model(tmp_path: Path) -> None:
    write_gguf(tmp_path / "mmproj-F16.gguf", {"v.patch_embd.weight": (F32, (8, 4))}, architecture="clip", keys={})
    with pytest.raises(UsageError, match="only the projector of images is there"):
        read_checkpoint(tmp_path)
    with pytest.raises(DataError, match=r"a projector of images \(mmproj\), not a model"):
        read_checkpoint(tmp_path / "mmproj-F16.gguf")


def test_a_tied_head_stored_twice_is_counted_as_stored(tmp_path: Path) -> None:
    """Official Qwen2.5 files: the config says tied, the file holds the output matrix, and the engine loads it."""
    write_gguf(tmp_path / "a.gguf", gguf_llama())
    (tmp_path / "config.json").write_text(json.dumps(SMALL | {"tie_word_embeddings": True}), encoding="utf-8")
    read = read_checkpoint(tmp_path / "a.gguf")
    assert stored_total(read.model) == ggml_total(gguf_llama())
    assert [tensor.name for tensor in read.unmatched] == ["output.weight"]
    assert read.model.total_parameters == SMALL_WEIGHTS - 96 * 64


def test_a_tied_head_that_is_not_stored(tmp_path: Path) -> None:
    shapes = {name: tensor for name, tensor in gguf_llama().items() if name != "output.weight"}
    write_gguf(tmp_path / "a.gguf", shapes)
    read = read_checkpoint(tmp_path)
    assert read.model.tied_embeddings
    assert stored_total(read.model) == ggml_total(shapes)


def test_a_config_beside_the_file_wins_unless_it_says_nothing(tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", gguf_llama())
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SMALL | {"max_position_embeddings": 512}), encoding="utf-8")
    assert read_checkpoint(tmp_path).model.max_context_tokens == 512
    assert read_checkpoint(tmp_path).model.notes == ()
    for text in (json.dumps({"model_type": "llama"}), json.dumps({"model_type": "nonesuch"}), "{"):
        config.write_text(text, encoding="utf-8")
        model = read_checkpoint(tmp_path).model
        assert model.max_context_tokens == 2048
        assert any("config.json beside the file is not used" in note for note in model.notes), text
    config.write_text(json.dumps(SMALL | {"intermediate_size": 320}), encoding="utf-8")
    with pytest.raises(DataError, match=r"'blk\.0\.ffn_gate\.weight' is 160x64 of Q8_0"):
        read_checkpoint(tmp_path)


def test_rope_factors_are_counted_and_said(tmp_path: Path) -> None:
    shapes = gguf_llama() | {"rope_freqs.weight": (F32, (4,))}
    write_gguf(tmp_path / "a.gguf", shapes)
    read = read_checkpoint(tmp_path)
    assert stored_total(read.model) == ggml_total(shapes)
    assert read.model.notes == (
        "beyond the config's description the files hold one tensor (16 bytes), counted as stored: rope_freqs.weight",
    )


def test_experts_are_one_tensor_each_kind(tmp_path: Path) -> None:
    keys = LLAMA_KEYS | {"expert_count": 4, "expert_used_count": 2}
    shapes = {name: tensor for name, tensor in gguf_llama().items() if ".ffn_" not in name or "norm" in name}
    for layer in range(3):
        block = f"blk.{layer}"
        shapes |= {
            f"{block}.ffn_gate_inp.weight": (F32, (4, 64)), f"{block}.ffn_gate_exps.weight": (Q8_0, (4, 160, 64)),
            f"{block}.ffn_up_exps.weight": (Q8_0, (4, 160, 64)), f"{block}.ffn_down_exps.weight": (Q8_0, (4, 64, 160)),
        }  # fmt: skip
    write_gguf(tmp_path / "a.gguf", shapes, keys=keys)
    read = read_checkpoint(tmp_path)
    (group,) = read.model.layers
    assert isinstance(group.feed_forward, MoeFeedForward)
    assert (group.feed_forward.experts, group.feed_forward.experts_per_token) == (4, 2)
    assert (stored_total(read.model), read.unmatched) == (ggml_total(shapes), ())


def test_latent_attention_with_its_up_projection_in_two(tmp_path: Path) -> None:
    """Newer files hold kv_b as k_b and v_b, and state the absorbed head sizes beside the model's own."""
    keys = LLAMA_KEYS | {
        "attention.q_lora_rank": 16, "attention.kv_lora_rank": 32, "attention.head_count_kv": 1,
        "attention.key_length": 40, "attention.value_length": 32, "attention.key_length_mla": 20,
        "attention.value_length_mla": 12, "rope.dimension_count": 8, "leading_dense_block_count": 3,
        "expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 32, "expert_shared_count": 1,
    }  # fmt: skip
    shapes = {name: tensor for name, tensor in gguf_llama().items() if ".attn_" not in name or "norm" in name}
    for layer in range(3):
        block = f"blk.{layer}"
        shapes |= {
            f"{block}.attn_q_a.weight": (F32, (16, 64)), f"{block}.attn_q_a_norm.weight": (F32, (16,)),
            f"{block}.attn_q_b.weight": (F32, (8 * 20, 16)), f"{block}.attn_kv_a_mqa.weight": (F32, (40, 64)),
            f"{block}.attn_kv_a_norm.weight": (F32, (32,)), f"{block}.attn_k_b.weight": (F32, (8, 32, 12)),
            f"{block}.attn_v_b.weight": (F32, (8, 12, 32)), f"{block}.attn_output.weight": (F32, (64, 8 * 12)),
        }  # fmt: skip
    write_gguf(tmp_path / "a.gguf", shapes, architecture="deepseek2", keys=keys)
    read = read_checkpoint(tmp_path)
    (attention,) = read.model.layers[0].mixers
    assert isinstance(attention, MlaAttention)
    assert (attention.kv_lora_rank, attention.qk_nope_head_dim, attention.qk_rope_head_dim) == (32, 12, 8)
    assert stored(read.model, f"{LAYER}.self_attn.kv_b_proj.weight") == 4 * 8 * (12 + 12) * 32
    assert (stored_total(read.model), read.unmatched) == (ggml_total(shapes), ())


GLM: dict[str, Any] = {
    "block_count": 3, "nextn_predict_layers": 1, "context_length": 2048, "embedding_length": 64,
    "feed_forward_length": 160, "attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 8,
    "leading_dense_block_count": 1, "expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 32,
    "expert_shared_count": 1,
}  # fmt: skip
NEXTN: GgufShapes = {
    "blk.2.nextn.eh_proj.weight": (Q8_0, (64, 128)), "blk.2.nextn.enorm.weight": (F32, (64,)),
    "blk.2.nextn.hnorm.weight": (F32, (64,)), "blk.2.nextn.shared_head_norm.weight": (F32, (64,)),
}  # fmt: skip


def glm() -> GgufShapes:
    """A dense layer, one with experts, and one with experts that drafts tokens and shares embedding and head."""
    found: GgufShapes = {}
    for name, tensor in gguf_llama().items():
        if name.startswith("blk.0") or ".ffn_" not in name:
            found[name.replace("ffn_norm", "post_attention_norm")] = tensor
    for layer in (1, 2):
        block = f"blk.{layer}"
        found |= {
            f"{block}.post_attention_norm.weight": (F32, (64,)), f"{block}.ffn_gate_inp.weight": (F32, (4, 64)),
            f"{block}.exp_probs_b.bias": (F32, (4,)), f"{block}.ffn_gate_exps.weight": (Q8_0, (4, 32, 64)),
            f"{block}.ffn_up_exps.weight": (Q8_0, (4, 32, 64)), f"{block}.ffn_down_exps.weight": (Q8_0, (4, 64, 32)),
            f"{block}.ffn_gate_shexp.weight": (Q8_0, (32, 64)), f"{block}.ffn_up_shexp.weight": (Q8_0, (32, 64)),
            f"{block}.ffn_down_shexp.weight": (Q8_0, (64, 32)),
        }  # fmt: skip
    return found | NEXTN


def test_layers_for_drafting_are_apart(tmp_path: Path) -> None:
    """`block_count` counts them, the model's layers do not."""
    write_gguf(tmp_path / "a.gguf", glm(), architecture="glm4moe", keys=GLM)
    read = read_checkpoint(tmp_path)
    assert read.model.layer_count == 2
    assert read.model.draft is not None
    drafting = sum(count * (tensor.stored_bytes or 0) for count, tensor in read.model.draft.tensors())
    assert drafting == ggml_total({name: tensor for name, tensor in glm().items() if name.startswith("blk.2.")})
    assert (stored_total(read.model), read.unmatched) == (ggml_total(glm()), ())


def test_a_file_without_its_drafting_layers(tmp_path: Path) -> None:
    shapes = {name: tensor for name, tensor in glm().items() if not name.startswith("blk.2.")}
    write_gguf(tmp_path / "a.gguf", shapes, architecture="glm4moe", keys=GLM)
    read = read_checkpoint(tmp_path)
    assert read.model.draft is None
    assert stored_total(read.model) == ggml_total(shapes)
    assert read.model.notes == ("the files hold no layers for drafting tokens (multi-token prediction)",)


def test_a_file_type_without_a_format_of_its_own_takes_the_nearest(tmp_path: Path) -> None:
    """A file that states none: Q8_0 takes 8.5 bits."""
    write_gguf(tmp_path / "a.gguf", gguf_llama(), file_type=None)
    assert read_checkpoint(tmp_path).model.checkpoint_format == "gguf-q8_0"


def test_a_plain_file_is_a_plain_format(tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", gguf_llama(gguf.GGMLQuantizationType.F16), file_type=1)
    model = read_checkpoint(tmp_path).model
    assert (model.checkpoint_format, model.dtype) == ("gguf-f16", "fp16")


def test_an_architecture_that_nobody_reads(tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", gguf_llama(), architecture="wavetokenizer-dec")
    with pytest.raises(UnsupportedModelError, match="GGUF architecture 'wavetokenizer-dec' is not one that is read"):
        read_checkpoint(tmp_path)


def test_what_is_a_checkpoint(tmp_path: Path) -> None:
    assert not is_checkpoint(tmp_path)
    write_gguf(tmp_path / "a.gguf", gguf_llama())
    assert is_checkpoint(tmp_path)
    assert is_checkpoint(tmp_path / "a.gguf")


def header(**parts: bytes) -> bytes:
    """A file's beginning: no tensors and no keys unless said otherwise."""
    found = {
        "magic": b"GGUF", "version": struct.pack("<I", 3), "tensors": struct.pack("<Q", 0),
        "keys": struct.pack("<Q", 0), "body": b"",
    }  # fmt: skip
    return b"".join((found | parts).values())


def key(kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", 1) + b"k" + struct.pack("<I", kind) + value


def one_key(kind: int, value: bytes) -> bytes:
    return header(keys=struct.pack("<Q", 1), body=key(kind, value) + bytes(64))


def one_tensor(dimensions: tuple[int, ...], kind: int = 0, offset: int = 0, name: bytes = b"t") -> bytes:
    body = struct.pack("<Q", len(name)) + name + struct.pack("<I", len(dimensions))
    body += struct.pack(f"<{len(dimensions)}Q", *dimensions) + struct.pack("<IQ", kind, offset)
    return header(tensors=struct.pack("<Q", 1), body=body + bytes(64))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"GG", "cut off: the file ends within the magic number"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"PK\x03\x04" + bytes(40), "not a GGUF file"),
        (header(version=struct.pack("<I", 1)) + bytes(9), "GGUF version 1 is not read"),
        (header(version=struct.pack(">I", 3)) + bytes(9), "big-endian files are not read"),
        (header(tensors=struct.pack("<Q", 2**63)), "9,223,372,036,854,775,808 tensors: the header is damaged"),
        (header(tensors=struct.pack("<Q", 999_999)), "cut off: 999,999 tensors do not fit the file"),
        (header(keys=struct.pack("<Q", 2**40)), "metadata keys: the header is damaged"),
        (header(keys=struct.pack("<Q", 60_000)), "cut off: 60,000 metadata keys do not fit the file"),
        (one_key(13, b""), "metadata key 'k' has a value of unknown type 13"),
        (one_key(8, struct.pack("<Q", 2**62)), "cut off: the file ends within metadata key 'k'"),
        (one_key(9, struct.pack("<IQ", 9, 1)), "metadata key 'k' is an array inside an array"),
        (one_key(9, struct.pack("<IQ", 77, 1)), "metadata key 'k' is an array of unknown type 77"),
        (one_key(9, struct.pack("<IQ", 4, 2**61)), "cut off: the file ends within metadata key 'k'"),
        (one_key(9, struct.pack("<IQ", 8, 2**60)), "cut off: the file ends within metadata key 'k'"),
        (one_key(9, struct.pack("<IQQ", 8, 3, 2**63)), "cut off: the file ends within metadata key 'k'"),
        (header(keys=struct.pack("<Q", 2), body=key(0, b"1") * 2 + bytes(64)), "'k' is stated twice"),
        (header(keys=struct.pack("<Q", 1), body=struct.pack("<Q", 2**40) + bytes(64)), "a metadata key is 1,099,511"),
        (header(keys=struct.pack("<Q", 1), body=struct.pack("<Q", 1) + b"\xff" + bytes(64)), "not UTF-8"),
        (one_tensor((4,), kind=99), "tensor 't' has the unknown ggml type 99"),
        (one_tensor((4,), kind=4), "tensor 't' has the unknown ggml type 4"),
        (one_tensor((1, 1, 1, 1, 1)), "tensor 't' has 5 dimensions"),
        (one_tensor((2**40, 2**40)), "astronomical size"),
        (one_tensor((100,), kind=12), "rows of 100 are no multiple of Q4_K's 256"),
        (one_tensor((4,), offset=3), "tensor 't' is not aligned to 32 bytes"),
        (one_tensor((4,), name=b"x" * 2_000), "a tensor's name is 2,000 bytes long"),
        (one_tensor((2**20,)), "cut off: [0-9,]+ of [0-9,]+ bytes are missing"),
    ],
)  # fmt: skip
def test_a_damaged_header_is_one_clear_error(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_checkpoint(path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("alignment", [0, 3, 2**30, 64.0])
def test_alignment_must_be_a_power_of_two(tmp_path: Path, alignment: Any) -> None:
    kind, value = (
        (6, struct.pack("<f", alignment)) if isinstance(alignment, float) else (4, struct.pack("<I", alignment))
    )
    name = b"general.alignment"
    body = struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value + bytes(64)
    (tmp_path / "a.gguf").write_bytes(header(keys=struct.pack("<Q", 1), body=body))
    with pytest.raises(DataError, match="is no power of two"):
        read_checkpoint(tmp_path / "a.gguf")


def test_version_2_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    write_gguf(path, gguf_llama())
    raw = path.read_bytes()
    path.write_bytes(raw[:4] + struct.pack("<I", 2) + raw[8:])
    assert read_checkpoint(path).stored_bytes == ggml_total(gguf_llama())


def test_a_file_that_was_cut_off_says_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    write_gguf(path, gguf_llama())
    os.truncate(path, path.stat().st_size - 4_096)
    with pytest.raises(DataError, match=r"cut off: [\d,]+ of [\d,]+ bytes are missing"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"attention.head_count": 0}, "num_attention_heads"),
        ({"attention.head_count_kv": 3}, "num_key_value_heads"),
        ({"block_count": 0}, "num_hidden_layers"),
        ({"block_count": 4}, "model.layers"),
        ({"embedding_length": 32}, "the config describes|does not divide"),
        ({"context_length": 0}, "max_position_embeddings"),
        ({"embedding_length": "wide"}, "metadata key `llama.embedding_length`: expected a whole number"),
        ({"embedding_length": 64.5}, "metadata key `llama.embedding_length`: expected a whole number"),
    ],
)  # fmt: skip
def test_metadata_that_contradicts_the_tensors(tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    write_gguf(tmp_path / "a.gguf", gguf_llama(), keys=LLAMA_KEYS | keys)
    with pytest.raises(DataError, match=said):
        read_checkpoint(tmp_path)


def test_a_vocabulary_of_a_million_is_passed_over(tmp_path: Path) -> None:
    """Token lists are counted, not built: a header of tens of megabytes is read in a moment."""
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_token_list(["a-token-of-some-length"] * 1_000_000)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(DataError, match=r"'token_embd\.weight' is not there"):
        read_checkpoint(tmp_path)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    shapes = {name: (kind, tuple(size * 256 for size in shape)) for name, (kind, shape) in gguf_llama().items()}
    keys: dict[str, Any] = {"general.architecture": "llama", "general.file_type": 7, "llama.block_count": 3}
    keys |= {"llama.context_length": 2048, "llama.embedding_length": 64 * 256, "llama.feed_forward_length": 160 * 256}
    keys |= {"llama.attention.head_count": 8, "llama.attention.head_count_kv": 2}
    write_gguf_header(tmp_path / "a.gguf", shapes, keys)
    assert stored_total(read_checkpoint(tmp_path).model) == sum(map(ggml_bytes, shapes.values()))
