"""Names used by the strategy tests."""

from collections.abc import Callable

from llmplan.plan.deployment import Deployment

Propose = Callable[..., list[Deployment]]

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
DEEPSEEK_R1 = "deepseek-ai/DeepSeek-R1"
