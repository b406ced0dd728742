"""Architectures by name: those that vLLM had and dropped, and those that take no LoRA adapters there.

Read off vLLM 0.33.0: `_PREVIOUSLY_SUPPORTED_MODELS` of model_executor/models/registry.py, and `supports_lora` of every
class that its registry of text and multimodal generation loads.
"""

from __future__ import annotations

from collections.abc import Mapping

_UNTIL: Mapping[str, tuple[str, ...]] = {
    "0.9.2": (
        "Phi3SmallForCausalLM",
    ),
    "0.10.2": (
        "DonutForConditionalGeneration", "MllamaForConditionalGeneration", "MotifForCausalLM", "Phi4FlashForCausalLM",
    ),
    "0.12.0": (
        "Phi4MultimodalForCausalLM",
    ),
    "0.22.0": (
        "JAISLMHeadModel",
    ),
    "0.23.0": (
        "BaiChuanForCausalLM", "BaichuanForCausalLM", "BambaForCausalLM", "Dots1ForCausalLM",
        "ErnieForSequenceClassification", "ErnieForTokenClassification", "ErnieModel", "InternLM2VEForCausalLM",
        "InternLMForCausalLM", "MiniMaxForCausalLM", "MiniMaxM1ForCausalLM", "MiniMaxText01ForCausalLM",
        "MiniMaxVL01ForConditionalGeneration", "QWenLMHeadModel", "QwenVLForConditionalGeneration",
        "Tarsier2ForConditionalGeneration", "XverseForCausalLM",
    ),
    "0.24.0": (
        "AquilaForCausalLM", "AquilaModel", "AyaVisionForConditionalGeneration", "Grok1ForCausalLM",
        "Grok1ModelForCausalLM", "MantisForConditionalGeneration", "MusicFlamingoForConditionalGeneration",
        "TarsierForConditionalGeneration",
    ),
    "0.25.0": (
        "FuyuForCausalLM", "PersimmonForCausalLM", "TeleChatForCausalLM",
    ),
    "0.26.0": (
        "OuroForCausalLM", "Plamo2ForCausalLM",
    ),
    "0.28.0": (
        "ArcticForCausalLM", "ChameleonForConditionalGeneration", "Cheers", "CheersForConditionalGeneration",
        "Fairseq2LlamaForCausalLM", "FireRedLIDForConditionalGeneration", "GritLM", "HCXVisionForCausalLM",
        "MPTForCausalLM", "MptForCausalLM", "PrithviGeoSpatialMAE", "RWForCausalLM", "StableLMEpochForCausalLM",
    ),
}  # fmt: skip
LAST_VLLM: Mapping[str, str] = {name: version for version, names in _UNTIL.items() for name in names}
"""architecture to the last version that has it"""
WITHOUT_LORA = frozenset({
    "AriaForConditionalGeneration", "BailingMoeV2_5ForCausalLM", "BailingMoeV3ForCausalLM",
    "BailingMoeV3VLForConditionalGeneration", "BeeForConditionalGeneration", "BloomForCausalLM",
    "Cohere2MoeForCausalLM", "Cohere2VisionForConditionalGeneration", "Cosmos3EdgeForConditionalGeneration",
    "DbrxForCausalLM", "DeepseekV41ForCausalLM", "DeepseekVLV2ForCausalLM", "DiffusionGemmaForBlockDiffusion",
    "DomynEdgeForCausalLM", "DoryForCausalLM", "FalconForCausalLM", "FalconMambaForCausalLM",
    "FireRedASR2ForConditionalGeneration", "FlintForCausalLM", "FunAudioChatForConditionalGeneration",
    "GPT2LMHeadModel", "GPTJForCausalLM", "Gemma3nForCausalLM", "Gemma3nForConditionalGeneration",
    "Glm5NextForCausalLM", "HCXVisionV2ForCausalLM", "HfMoondream", "HrmTextForCausalLM",
    "IQuestLoopCoderForCausalLM", "KimiK25ForConditionalGeneration", "KimiK3ForConditionalGeneration",
    "KimiLinearForCausalLM", "KimiVLForConditionalGeneration", "LlavaOnevision2ForConditionalGeneration",
    "LlavaOnevisionForConditionalGeneration", "Mamba2ForCausalLM", "MambaForCausalLM", "MiMoV2FlashForCausalLM",
    "MiMoV2ForCausalLM", "MiMoV2OmniForCausalLM", "MiniMaxM3SparseForCausalLM",
    "MiniMaxM3SparseForConditionalGeneration", "Moondream3ForCausalLM", "MoonshotKimiaForCausalLM",
    "MossTranscribeDiarizeForConditionalGeneration", "NemotronParseForConditionalGeneration",
    "OpenVLAForActionPrediction", "OrionForCausalLM", "Ovis", "Ovis2_5", "Ovis2_6ForCausalLM",
    "Ovis2_6_MoeForCausalLM", "PaddleOCRVLForConditionalGeneration", "Phi3VForCausalLM", "Phi4ForCausalLMV",
    "Qwen2AudioForConditionalGeneration", "RForConditionalGeneration", "RadioMBartPrefixForCausalLM",
    "SkyworkR1VChatModel", "StableLmForCausalLM", "Step1ForCausalLM", "Step3TextForCausalLM",
    "Step3VLForConditionalGeneration", "Step3p5ForCausalLM", "Step3p7ForConditionalGeneration",
    "StepVLForConditionalGeneration", "Zamba2ForCausalLM",
})  # fmt: skip
"""architectures without the interface SupportsLoRA"""
