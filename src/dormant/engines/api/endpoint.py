"""Where the model of an API answers, by the environment variables that Inspect reads.

==========================  =======================================  ==========================
string                      key                                      base URL
==========================  =======================================  ==========================
openai/MODEL                OPENAI_API_KEY                           OPENAI_BASE_URL, or OpenAI
openai-api/SERVICE/MODEL    SERVICE_API_KEY                          SERVICE_BASE_URL
openrouter/MAKER/MODEL      OPENROUTER_API_KEY                       OPENROUTER_BASE_URL, or its own
tinker/MODEL                TINKER_API_KEY                           below TINKER_BASE_URL
vllm/MODEL, sglang/MODEL    VLLM_API_KEY, SGLANG_API_KEY (optional)  VLLM_BASE_URL, SGLANG_BASE_URL
inspect/PROVIDER/MODEL      as Inspect has it: never the direct path
==========================  =======================================  ==========================

Every other provider of Inspect's goes through its model layer, with its own variables.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dormant.engines.model_strings import DIRECT, ModelString
from dormant.errors import ModelError

_HOMES = {"openai": "https://api.openai.com/v1", "openrouter": "https://openrouter.ai/api/v1"}
#: Tinker's service, and the path of its OpenAI-compatible API there. TINKER_BASE_URL names the
#: service, as for its own SDK.
_TINKER = "https://tinker.thinkingmachines.dev/services/tinker-prod"
_TINKER_PATH = "/oai/api/v1"
_LOCAL = ("vllm", "sglang")
_EVERYWHERE = "INSPECT_EVAL_MODEL_BASE_URL"
_VARIABLE = re.compile(r"[A-Z0-9_]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The server of an OpenAI-compatible model."""

    name: str  # the model string
    provider: str  # first part of the string; for openai-api the service
    model: str  # as the server knows it
    url: str  # base URL, without a slash at the end
    key_variable: str  # environment variable that holds the key
    hosted: bool  # a known service with neutral sampling defaults, not a server of unknown settings
    key: str = field(default="", repr=False)  # never shown
    template: Mapping[str, Any] = field(default_factory=dict[str, Any])  # variables of its template

    @property
    def origin(self) -> str:
        """Scheme, host and port of the server."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.split('/')[0]}"

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every call."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return headers


def find_endpoint(
    model: ModelString,
    environment: Mapping[str, str] | None = None,
    *,
    needs_key: bool = True,
) -> Endpoint | None:
    """Finds the server of a model; None if Inspect's layer is to be used.

    Args:
        model: a model behind an API.
        environment: where to look for keys and URLs; the process's own if None.
        needs_key: whether a missing key or server is an error; else they are empty.

    Raises:
        ModelError: an environment variable is missing or wrong.
    """
    known = os.environ if environment is None else environment
    name, provider = model.text, model.provider
    if model.is_layered or provider not in DIRECT or _needs_inspect(model, known):
        if model.options.template:
            raise ModelError(
                f"{name[:200]!r}: variables of a chat template need a running server; start it and "
                f"set {provider.upper()}_BASE_URL"
            )
        return None
    service = model.service or provider
    prefix = service.upper().replace("-", "_")
    if not _VARIABLE.fullmatch(prefix):
        raise ModelError(
            f"{name[:200]!r}: the service {service[:80]!r} must be letters, digits and hyphens"
        )
    url = known.get(f"{prefix}_BASE_URL") or known.get(_EVERYWHERE) or _HOMES.get(provider, "")
    if provider == "tinker":
        url = f"{(known.get('TINKER_BASE_URL') or _TINKER).rstrip('/')}{_TINKER_PATH}"
    return Endpoint(
        name=name,
        provider=service,
        model=model.adapter or model.name,  # an adapter that the server already holds
        url=_check_url(url, f"{prefix}_BASE_URL", name) if url or needs_key else "",
        key_variable=f"{prefix}_API_KEY",
        hosted=provider in _HOMES,
        key=_read_key(
            known, f"{prefix}_API_KEY", name, optional=provider in _LOCAL or not needs_key
        ),
        template=model.options.template,
    )


def _needs_inspect(model: ModelString, known: Mapping[str, str]) -> bool:
    """Whether a direct provider's string asks for something that only Inspect does."""
    provider = model.provider
    if provider == "openai":
        return model.name.startswith(("azure/", "bedrock/"))
    if provider not in _LOCAL:
        return False
    if "/" in model.adapter:
        return True  # Inspect has the server load the adapter first
    served = known.get(f"{provider.upper()}_BASE_URL") or known.get(_EVERYWHERE)
    return not served and importlib.util.find_spec(provider) is not None  # Inspect starts a server


def _read_key(known: Mapping[str, str], variable: str, name: str, *, optional: bool) -> str:
    key = known.get(variable, "").strip()
    if not key and not optional:
        raise ModelError(f"{name[:200]!r} needs a key; set the environment variable {variable}")
    if not key.isascii() or not key.isprintable():
        raise ModelError(
            f"the key in {variable} contains characters that HTTP headers do not allow"
        )
    return key


def _check_url(url: str, variable: str, name: str) -> str:
    if not url:
        raise ModelError(
            f"{name[:200]!r} needs a server; set the environment variable {variable}, e.g. to "
            "http://localhost:8000/v1"
        )
    if not re.match(r"https?://[^/\s]+", url):
        raise ModelError(f"{variable} must be an http:// or https:// URL")
    if "@" in url.split("/")[2]:
        raise ModelError(
            f"{variable} contains a user or a password; remove it and set the API key instead"
        )
    if "?" in url or "#" in url:
        raise ModelError(f"{variable} must not contain a query or a fragment (? or #); remove it")
    try:
        is_port = urlsplit(url).port != 0
    except ValueError:
        is_port = False
    if not is_port:
        raise ModelError(f"{variable} has a port that is not a number from 1 to 65535")
    return url.rstrip("/")
