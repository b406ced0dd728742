"""What llama.cpp calls the modules of a checkpoint: `blk.N.attn_q` is the query projection, whatever its path was.

Each row is a pattern over the end of a module's path and the names under which converters store it, the likeliest
first. What no row names is matched by its size, within its layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from llmplan.catalogs.checkpoint.slots import Kind
from llmplan.spec.tensor import Tensor, TensorRole

_ROWS: Final = (
    (r"eh_proj", "nextn.eh_proj"),
    (r"enorm", "nextn.enorm"),
    (r"hnorm", "nextn.hnorm"),
    (r"shared_head\.norm", "nextn.shared_head_norm"),
    (r"shared_head\.head", "nextn.shared_head_head"),
    (r"layers\.\{i\}\.embed_tokens", "nextn.embed_tokens"),
    (r"indexer\.wq_b", "indexer.attn_q_b"),
    (r"indexer\.wk", "indexer.attn_k"),
    (r"indexer\.k_norm", "indexer.k_norm"),
    (r"indexer\.weights_proj", "indexer.proj"),
    (r"shared_(experts?|mlp)\.gate_proj", "ffn_gate_shexp"),
    (r"shared_(experts?|mlp)\.up_proj", "ffn_up_shexp"),
    (r"shared_(experts?|mlp)\.(down_proj|output_linear)", "ffn_down_shexp"),
    (r"experts(\.\{e\})?\.(gate_proj|w1|linear)", "ffn_gate_exps"),
    (r"experts(\.\{e\})?\.(up_proj|w3|linear_v)", "ffn_up_exps"),
    (r"experts(\.\{e\})?\.(down_proj|w2|linear_1)", "ffn_down_exps"),
    (r"experts(\.\{e\})?\.gate_up_proj", "ffn_gate_up_exps"),
    (r"moe\.output_linear", "ffn_down_exps"),
    (r"shared_expert_gate", "ffn_gate_inp_shexp"),
    (r"e_score_correction_bias|expert_bias", "exp_probs_b"),
    (r"(moe|mlp|feed_forward|mixer|ffn)\.(gate|router|router\.layer|gate\.wg|router\.classifier)", "ffn_gate_inp"),
    (r"q_a_proj", "attn_q_a"),
    (r"q_b_proj", "attn_q_b"),
    (r"kv_a_proj_with_mqa", "attn_kv_a_mqa"),
    (r"kv_b_proj", "attn_kv_b"),
    (r"q_a_layernorm", "attn_q_a_norm"),
    (r"kv_a_layernorm", "attn_kv_a_norm"),
    (r"(q_norm|q_layernorm|query_layernorm)", "attn_q_norm"),
    (r"(k_norm|k_layernorm|key_layernorm)", "attn_k_norm"),
    (r"sinks", "attn_sinks"),
    (r"in_proj_qkv", "attn_qkv"),
    (r"in_proj_z", "attn_gate"),
    (r"in_proj_ba", "ssm_ba"),
    (r"in_proj_b", "ssm_beta"),
    (r"in_proj_a", "ssm_alpha"),
    (r"in_proj_qkvz", "ssm_in"),
    (r"(conv|short_conv)\.in_proj", "shortconv.in_proj"),
    (r"(conv|short_conv)\.out_proj", "shortconv.out_proj"),
    (r"(conv|short_conv)\.conv", "shortconv.conv"),
    (r"(mamba|mixer)\.in_proj", "ssm_in"),
    (r"(mamba|mixer|linear_attn)\.out_proj", "ssm_out"),
    (r"(mamba|mixer|linear_attn)\.norm", "ssm_norm"),
    (r"conv1d", "ssm_conv1d"),
    (r"x_proj", "ssm_x"),
    (r"dt_proj", "ssm_dt"),
    (r"dt_bias", "ssm_dt"),
    (r"A_log", "ssm_a"),
    (r"(mamba|mixer)\.D", "ssm_d"),
    (r"(qkv_proj|query_key_value|c_attn|Wqkv|W_pack|wqkv)", "attn_qkv"),
    (r"(q_proj|wq)", "attn_q"),
    (r"(k_proj|wk)", "attn_k"),
    (r"(v_proj|wv)", "attn_v"),
    (r"(attn|attention|mixer)\.(o_proj|out_proj|dense|c_proj|wo)", "attn_output"),
    (r"(gate_proj|w1|c_fc_0)", "ffn_gate"),
    (r"(up_proj|w3|c_fc_1|c_fc|fc1|fc_in|dense_h_to_4h|gate_up_proj)", "ffn_up"),
    (r"(down_proj|w2|c_proj|fc2|fc_out|dense_4h_to_h)", "ffn_down"),
    (r"(input_layernorm|ln_1|attention_norm|norm_1|ln_attn|layers\.\{i\}\.norm|operator_norm)", "attn_norm"),
    (r"pre_feedforward_layernorm", "ffn_norm"),
    (r"post_attention_layernorm", "post_attention_norm", "ffn_norm"),
    (r"post_feedforward_layernorm", "post_ffw_norm"),
    (r"(ln_2|ffn_norm|norm_2|pre_ff_layernorm)", "ffn_norm"),
    (r"ln_mlp", "attn_norm_2", "ffn_norm"),
)  # fmt: skip
_PATTERNS: Final = tuple((re.compile(rf"(?:^|.*[._]){pattern}$"), tuple(names)) for pattern, *names in _ROWS)
_BY_ROLE: Final = {
    TensorRole.EMBED: ("token_embd",), TensorRole.HEAD: ("output",), TensorRole.OTHER: ("position_embd",),
    TensorRole.NORM: ("output_norm", "token_embd_norm"),
}  # fmt: skip
_BLOCK: Final = re.compile(r"^blk\.(\d{1,9})\.(.+)$")


def gguf_names(tensor: Tensor, module: str) -> tuple[str, ...]:
    """The names, without `blk.N.` and without suffix, that a module may have in a GGUF file."""
    if "{i}" not in module:
        return _BY_ROLE.get(tensor.role, ())
    return next((names for pattern, names in _PATTERNS if pattern.match(module)), ())


def gguf_place(name: str) -> tuple[str, Kind, int | None]:
    """A GGUF tensor's name without layer and suffix, what it holds, and its layer.

    >>> gguf_place("blk.7.attn_q.weight")
    ('attn_q', <Kind.WEIGHT: 'weight'>, 7)
    """
    found = _BLOCK.match(name)
    layer, rest = (int(found[1]), found[2]) if found else (None, name)
    for suffix, kind in ((".weight", Kind.WEIGHT), (".bias", Kind.BIAS), (".scale", Kind.SIDE)):
        if rest.endswith(suffix):
            return rest.removesuffix(suffix), kind, layer
    return rest, Kind.WEIGHT, layer


def stored_kinds(kind: Kind, module: str) -> Iterator[Kind]:
    """What a tensor of the inventory may be stored as: a bias that is a parameter of its own is `X.bias` in GGUF."""
    yield kind
    if kind is Kind.WEIGHT and module.endswith("bias"):
        yield Kind.BIAS
