"""First parts of the model strings that stand for an API. Cheap to import: it is only names."""

from __future__ import annotations

#: Providers that only Inspect's layer reaches.
_LAYERED = (
    "anthropic",
    "azureai",
    "bedrock",
    "cloudflare",
    "deepseek",
    "fireworks",
    "google",
    "grok",
    "groq",
    "hf-inference-providers",
    "litellm-proxy",
    "llama-cpp-python",
    "meta",
    "mistral",
    "mockllm",
    "moonshot",
    "ollama",
    "openai-api-completions",
    "perplexity",
    "sagemaker",
    "sambanova",
    "together",
    "vllm-completions",
)
#: Providers with the direct path.
DIRECT = ("openai", "openai-api", "openrouter", "vllm", "sglang")
#: First parts of the model strings that stand for an API.
API_KINDS = (*DIRECT, *_LAYERED, "inspect")


def is_api(name: str) -> bool:
    """Whether a model string names a model behind an API."""
    kind, _, rest = name.strip().partition("/")
    return kind in API_KINDS and bool(rest)
