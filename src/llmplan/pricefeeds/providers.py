"""Sellers: the names that tables use, and what each seller is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from llmplan.spec.price import ProviderTier


@dataclass(frozen=True, slots=True)
class Seller:
    """`table_names` are spellings in tables other than the id."""

    id: str
    name: str
    tier: ProviderTier
    table_names: tuple[str, ...] = ()
    company: str | None = None


SELLERS: Final[tuple[Seller, ...]] = (
    Seller("aws", "Amazon Web Services", "hyperscaler", ("amazon", "ec2")),
    Seller("azure", "Microsoft Azure", "hyperscaler"),
    Seller("gcp", "Google Cloud", "hyperscaler", ("google",)),
    Seller("oci", "Oracle Cloud Infrastructure", "hyperscaler", ("oracle",)),
    Seller("akamai", "Akamai (Linode)", "cloud", ("linode",)),
    Seller("civo", "Civo", "cloud"),
    Seller("coreweave", "CoreWeave", "cloud"),
    Seller("crusoe", "Crusoe", "cloud"),
    Seller("digitalocean", "DigitalOcean", "cloud"),
    Seller("hyperstack", "Hyperstack", "cloud"),
    Seller("jarvislabs", "JarvisLabs", "cloud"),
    Seller("lambda", "Lambda", "cloud", ("lambda_ai",)),
    Seller("massedcompute", "Massed Compute", "cloud"),
    Seller("nebius", "Nebius", "cloud"),
    Seller("ovhcloud", "OVHcloud", "cloud", ("ovh",)),
    Seller("runpod-secure", "RunPod Secure Cloud", "cloud", company="runpod"),
    Seller("scaleway", "Scaleway", "cloud"),
    Seller("together", "Together AI", "cloud", ("together_ai",)),
    Seller("verda", "Verda (formerly DataCrunch)", "cloud", ("verda (datacrunch)", "datacrunch")),
    Seller("vultr", "Vultr", "cloud"),
    Seller("akash", "Akash Network", "marketplace"),
    Seller("lium", "Lium", "marketplace"),
    Seller("runpod-community", "RunPod Community Cloud", "marketplace", company="runpod"),
    Seller("vast", "Vast.ai", "marketplace"),
    Seller("openrouter", "OpenRouter", "marketplace"),
    Seller("modal", "Modal", "cloud"),
    Seller("runpod-serverless", "RunPod Serverless", "cloud", company="runpod"),
    Seller("replicate", "Replicate", "cloud"),
    Seller("baseten", "Baseten", "cloud"),
    Seller("cerebrium", "Cerebrium", "cloud"),
    Seller("beam", "Beam", "cloud"),
    Seller("fal", "fal", "cloud"),
    Seller("koyeb", "Koyeb", "cloud"),
    Seller("google-cloud-run", "Google Cloud Run", "hyperscaler", company="gcp"),
    Seller("azure-container-apps", "Azure Container Apps", "hyperscaler", company="azure"),
    Seller("aws-sagemaker", "Amazon SageMaker", "hyperscaler", ("sagemaker",), company="aws"),
    Seller("hf-inference-endpoints", "Hugging Face Inference Endpoints", "cloud"),
    Seller("together-dedicated", "Together AI dedicated endpoints", "cloud", company="together"),
    Seller("vast-serverless", "Vast.ai Serverless", "marketplace", company="vast"),
    Seller("bedrock", "Amazon Bedrock", "api", ("bedrock_converse",), company="aws"),
    Seller("azure-ai", "Azure AI Foundry", "api", ("azure_ai",), company="azure"),
    Seller(
        "vertex-ai", "Google Vertex AI", "api",
        ("vertex_ai-llama_models", "vertex_ai-deepseek_models", "vertex_ai-qwen_models",
         "vertex_ai-openai_models", "vertex_ai-zai_models"),
        company="gcp",
    ),
    Seller("fireworks", "Fireworks AI", "api", ("fireworks_ai",)),
    Seller("deepinfra", "DeepInfra", "api"),
    Seller("novita", "Novita AI", "api"),
    Seller("groq", "Groq", "api"),
    Seller("cerebras", "Cerebras", "api"),
    Seller("sambanova", "SambaNova", "api"),
    Seller("cloudflare", "Cloudflare Workers AI", "api"),
    Seller("wandb", "Weights & Biases Inference", "api"),
    Seller("hyperbolic", "Hyperbolic", "api"),
    Seller("friendliai", "FriendliAI", "api"),
    Seller("gmi", "GMI Cloud", "api"),
    Seller("nscale", "Nscale", "api"),
    Seller("anyscale", "Anyscale", "api"),
    Seller("databricks", "Databricks", "api"),
    Seller("snowflake", "Snowflake Cortex", "api"),
    Seller("watsonx", "IBM watsonx.ai", "api"),
    Seller("deepseek", "DeepSeek", "api"),
    Seller("dashscope", "Alibaba DashScope", "api"),
    Seller("moonshot", "Moonshot AI", "api"),
    Seller("minimax", "MiniMax", "api"),
    Seller("zai", "Z.ai", "api"),
    Seller("perplexity", "Perplexity", "api"),
)  # fmt: skip
_BY_NAME: Final = {name.casefold(): seller for seller in SELLERS for name in (seller.id, *seller.table_names)}


def seller_of(table_name: str) -> Seller:
    """The seller that a table means; an unknown one is a plain cloud under its own name.

    >>> seller_of("verda (datacrunch)").id, seller_of("fireworks_ai").tier, seller_of("New Cloud").id
    ('verda', 'api', 'new-cloud')
    """
    known = _BY_NAME.get(table_name.casefold())
    if known is not None:
        return known
    return Seller(re.sub(r"[^a-z0-9]+", "-", table_name.casefold()).strip("-"), table_name, "cloud")
