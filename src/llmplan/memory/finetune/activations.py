"""What a step adds for a moment: activations kept for the backward pass, the layer at work, and the logits."""

from __future__ import annotations

from typing import Final

from llmplan.memory.finetune.adapters import targets
from llmplan.memory.finetune.widths import LayerWidths, layer_widths
from llmplan.plan.finetune import FinetuneSetup

HALF_BYTES: Final = 2
NORM_BYTES: Final = {"plain": 2, "rms": 4}
"""a layer norm keeps its 16-bit input, an RMS norm written in PyTorch its 32-bit copy"""
RESIDUAL_COPIES: Final = 2
"""16-bit numbers of hidden size kept besides: rotated halves, the residual stream"""
QUANTIZED_INPUT_COPIES: Final = 1.5
"""16-bit copies of a quantized layer's input where its kernel keeps it: 1.0 in runs of 2023, about 2 in 2024"""
DROPOUT_MASK_BYTES: Final = 1
BACKWARD_RATIO: Final = 2.0
"""a layer while it is recomputed and differentiated, over what it keeps: its gradients come on top"""
SCORE_BYTES: Final = 6
"""of each attention score that eager attention keeps: 32-bit softmax and its 16-bit copy"""


def layer_bytes_per_token(widths: LayerWidths, setup: FinetuneSetup) -> float:
    """Bytes that one layer keeps per token for its backward pass, without checkpointing.

    widths: of the layer; setup: method and stack.
    2 B x (queries, keys, values + mixer output + gate, up and activation + 2 x hidden) + norms' inputs
    + 2 B x inputs of the matrices (full fine-tuning; 1.5 times for bases whose kernels keep them). Adapters come on
    top: `adapter_input_bytes_per_token`. Valid for flash attention in 16 bit. Reference: saved tensors of PyTorch's
    autograd; Korthikanti et al. 2022 (arXiv 2205.05198) for the same count of a GPT layer.
    """
    kept = widths.mixer_out + widths.mixer_in + widths.feed_kept + RESIDUAL_COPIES * widths.hidden
    if setup.method == "full":
        kept += widths.inputs
    elif setup.weights.is_quantized and setup.stack.keeps_quantized_inputs:
        kept += QUANTIZED_INPUT_COPIES * widths.inputs
    norms = NORM_BYTES["plain"] * widths.plain_norms + NORM_BYTES["rms"] * widths.rms_norms
    return HALF_BYTES * kept + norms


def adapter_input_bytes_per_token(setup: FinetuneSetup) -> float:
    """Bytes per token, over all layers, of the inputs that adapters keep: after dropout, with its mask.

    setup: targets and stack. (adapter width + 1 B) x inputs of the adapted modules; 0 for full fine-tuning.
    Valid with LoRA dropout, as LitGPT's and ms-swift's runs have it (0.05); PEFT's own default is 0, and the mask is
    not kept then. Reference: PEFT tuners/lora/layer.py.
    """
    if setup.method == "full" or setup.stack.fused_adapters:
        return 0.0
    width = setup.stack.adapter_bytes + DROPOUT_MASK_BYTES
    return float(width * sum(each.layers * each.inputs for each in targets(setup)))


def layers_kept_bytes_per_token(setup: FinetuneSetup) -> float:
    """Bytes per token that all layers keep without checkpointing.

    setup: the run. Sum over layers of `layer_bytes_per_token` + `adapter_input_bytes_per_token`.
    Valid for flash attention. Reference: `layer_bytes_per_token`.
    """
    layers = sum(each.count * layer_bytes_per_token(each, setup) for each in layer_widths(setup.model))
    return layers + adapter_input_bytes_per_token(setup)


def widest_layer_bytes_per_token(setup: FinetuneSetup) -> float:
    """Bytes per token of the largest layer at work, recomputed and differentiated.

    setup: the run. 2 x its `layer_bytes_per_token` with its share of the adapters' inputs. Valid under
    checkpointing layer by layer. Reference: long-sequence rows of LLaMA-Factory's benchmark, 8k to 100k tokens.
    """
    widest = max(layer_bytes_per_token(each, setup) for each in layer_widths(setup.model))
    return BACKWARD_RATIO * (widest + adapter_input_bytes_per_token(setup) / max(1, setup.model.layer_count))


def layer_inputs_bytes(setup: FinetuneSetup) -> float:
    """Bytes of the inputs of all layers, which checkpointing keeps.

    setup: the run. 2 B x layers x hidden x tokens. Valid for one checkpoint per layer, the default of every stack.
    Reference: Chen et al. 2016 (arXiv 1604.06174).
    """
    model = setup.model
    return float(HALF_BYTES * model.layer_count * model.hidden_size * setup.tokens)


def score_bytes(setup: FinetuneSetup) -> float:
    """Bytes of the attention scores that eager attention keeps in one layer.

    setup: the run. 6 B x batch x query heads x length squared; 0 with flash attention. Valid for full attention.
    Reference: transformers eager_attention_forward (32-bit softmax, 16-bit probabilities).
    """
    if setup.attention == "flash":
        return 0.0
    return float(SCORE_BYTES * setup.batch * setup.model.query_heads * setup.seq_tokens**2)


def logits_bytes(setup: FinetuneSetup) -> float:
    """Bytes of the logits and what the loss makes of them.

    setup: tokens, vocabulary and stack. Bytes per logit of the stack x tokens x vocabulary: 16 where the 16-bit
    logits, their 32-bit copy, the log-softmax and both gradients live at once (2 + 4 + 4 + 4 + 2); 4 where the loss is
    fused. Valid for next-token loss over all positions. Reference: transformers loss_utils.ForCausalLMLoss.
    """
    return setup.stack.logit_bytes * setup.tokens * setup.model.vocab_size


def kept_bytes(setup: FinetuneSetup) -> float:
    """Bytes kept from the forward to the backward pass.

    setup: the run. Off: every layer's activations; on: every layer's input; offloaded: nothing on the GPU.
    Valid for the three modes; `unknown` is counted as off. Reference: `layer_inputs_bytes`.
    """
    match setup.checkpointing:
        case "on":
            return layer_inputs_bytes(setup)
        case "offloaded":
            return 0.0
        case "off" | "unknown":
            scores = setup.model.layer_count * score_bytes(setup)
            return layers_kept_bytes_per_token(setup) * setup.tokens + scores


def layer_at_work_bytes(setup: FinetuneSetup) -> float:
    """Bytes of the widest layer while it is recomputed and differentiated.

    setup: the run. `widest_layer_bytes_per_token` x tokens + 2 x `score_bytes`; 0 without checkpointing, where no
    layer is recomputed. Valid for one checkpoint per layer. Reference: `widest_layer_bytes_per_token`.
    """
    if setup.checkpointing in ("off", "unknown"):
        return 0.0
    return widest_layer_bytes_per_token(setup) * setup.tokens + BACKWARD_RATIO * score_bytes(setup)
