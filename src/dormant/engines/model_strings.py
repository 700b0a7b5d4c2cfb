"""Model strings, read once: what a user types for a model, as a value. Nothing is loaded.

==============================================  =================================================
string                                          model
==============================================  =================================================
vitro/base, vitro/DIR, or DIR of an organism    of the laboratory
hf/NAME_OR_PATH[:ADAPTER][@REVISION][?OPTIONS]  Hugging Face checkpoint, on this disk or the hub
hf/smollm2[:ADAPTER]                            a small real model that needs no hub
scripted/FILE.yaml                              answers by a script
PROVIDER/MODEL                                  behind an API, by Inspect's string
openai-api/SERVICE/MODEL                        behind an OpenAI-compatible server of any name
vllm/..., sglang/..., openai-api/...?template.NAME=VALUE   with a variable of its chat template
vllm/..., sglang/..., openai-api/...?tokenizer=HF   prompts rendered here and sent as tokens
vllm/..., sglang/..., openai-api/...?weights=HF     the same, checked against these weights
PLUGIN/NAME                                     of an engine that another package adds
inspect/PROVIDER/MODEL                          the same, through Inspect's layer in any case
==============================================  =================================================
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dormant.config.plugins import ExtensionPoint
from dormant.engines.local_options import LocalOptions, parse_options, write_options
from dormant.errors import ModelError
from dormant.records import Plugin, PluginKind

VITRO, HF, SCRIPTED = "vitro", "hf", "scripted"
SMOLLM2 = "smollm2"
#: Providers with a direct path, which needs no Inspect.
DIRECT = ("openai", "openai-api", "openrouter", "tinker", "vllm", "sglang")
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
_INSPECT = "inspect"
_APIS = (*DIRECT, *_LAYERED)
#: Providers whose servers render a chat template of the model's own, and take variables for it.
_TEMPLATED = ("vllm", "sglang", "openai-api")
#: What ships, whose names no plugin can have; ``registry.ENGINES`` opens them.
PROVIDERS = (VITRO, HF, SCRIPTED, *_APIS, _INSPECT)
#: What begins the options of a server's model.
_OPTIONS = re.compile(r"\?(?=template\.|tokenizer=|weights=)")
_PLUGINS: ExtensionPoint[Any] = ExtensionPoint(PluginKind.ENGINE, reserved=PROVIDERS)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SHOWN = 200  # characters of a wrong string in an error


@dataclass(frozen=True, slots=True)
class ModelString:
    """What a model string asks for."""

    text: str  # the string as given, without white space around it
    provider: str  # VITRO, HF, SCRIPTED, or the provider of an API: "openai", "openai-api", ...
    name: str  # "base", a path, a name on the hub, or the model as the API's server knows it
    adapter: str = ""  # of hf: a directory or a name on the hub; of vllm: a name; empty for none
    revision: str = ""  # of an hf name on the hub; empty for its default branch
    service: str = ""  # of openai-api: names the environment variables of key and base URL
    is_layered: bool = False  # "inspect/" stands before it: never the direct path
    options: LocalOptions = LocalOptions()  # of hf: how it runs; of servers: template alone
    plugin: Plugin | None = None  # the package that opens it, if that is another one
    tokenizer: str = ""  # of servers: the local model whose tokenizer and template make prompts
    weights: str = ""  # of servers: the local model that must be what is served

    @property
    def is_api(self) -> bool:
        """Whether the model stands behind an API."""
        return self.plugin is None and self.provider not in (VITRO, HF, SCRIPTED)

    @property
    def format_source(self) -> ModelString | None:
        """The local model whose tokenizer and template make a server's prompts; None for none."""
        local = self.tokenizer or self.weights
        return parse_hf(local) if local else None

    @property
    def path(self) -> Path | None:
        """The model's place on this disk; None if there is none."""
        return Path(self.name).expanduser() if _path_exists(self.name) else None

    @property
    def inspect_name(self) -> str:
        """The string that Inspect takes."""
        return self.text.removeprefix(f"{_INSPECT}/")


def parse_model(text: str) -> ModelString:
    """Reads a model string.

    Raises:
        ModelError: it is of no known kind, a part of it is missing, or no such file exists.
    """
    text = text.strip()
    if text.lower().startswith(("http://", "https://")):
        raise ModelError(_describe_url(text))
    if _is_organism(text):
        return ModelString(text, VITRO, text)
    provider, _, rest = text.partition("/")
    if provider == HF and rest:
        return parse_hf(rest)
    if provider in (VITRO, SCRIPTED) and rest:
        return ModelString(text, provider, rest)
    layered = provider == _INSPECT
    if layered:
        provider, _, rest = rest.partition("/")
    if not rest or not layered and provider not in _APIS:
        added = _PLUGINS.get(provider) if rest and not layered else None
        if added is not None:
            return ModelString(text, provider, rest, plugin=added.plugin)
        raise ModelError(_describe_unknown(text))
    return _parse_api(text, provider, rest, layered)


def parse_hf(rest: str) -> ModelString:
    """Reads the model string of a local model, given without ``hf/``.

    What is a path as a whole is taken as one. Otherwise the last ``?`` begins options
    (``local_options``), the first ``:`` an adapter, and, unless the base is on this disk, the last
    ``@`` a revision.

    Raises:
        ModelError: a part is empty, there is no such file, or a revision is given for something
            on this disk.
    """
    text = f"{HF}/{rest}"
    if _path_exists(rest):
        return ModelString(text, HF, rest)
    before, mark, written = rest.rpartition("?")
    rest = before if mark and written else rest
    options = parse_options(written if mark else "", text[:_SHOWN])
    if _path_exists(rest):
        return ModelString(text, HF, rest, options=options)
    base, colon, adapter = rest.partition(":")
    at, revision = "", ""
    if base != SMOLLM2 and not _path_exists(base) and "@" in rest:
        before, at, revision = rest.rpartition("@")
        base, colon, adapter = before.partition(":")
    if at and not revision or colon and not adapter:
        raise ModelError(
            f"{text[:_SHOWN]!r} ends with an empty part; give "
            "hf/NAME[:ADAPTER][@REVISION][?OPTIONS]"
        )
    if not base:
        raise ModelError(
            f"{text[:_SHOWN]!r} has no model; give a directory, a .gguf file or a name on the hub"
        )
    if revision and (base == SMOLLM2 or _path_exists(base)):
        raise ModelError(
            f"{text[:_SHOWN]!r}: {base!r} is on this disk and has no revisions; remove {revision!r}"
        )
    if base != SMOLLM2 and not _path_exists(base):
        _check_hub_name(text, base)
    return ModelString(text, HF, base, adapter, revision, options=options)


def add_template_kwargs(text: str, variables: Mapping[str, Any]) -> str:
    """Writes variables of a chat template into a model string, where they decide how it is asked.

    Args:
        text: a model string; what it says of a variable itself is kept if it is the same.
        variables: names and values, as JSON has them.

    Raises:
        ModelError: the string is wrong or says something else of a variable, or its model has no
            chat template that takes variables.
    """
    if not variables:
        return text
    model = parse_model(text)
    given = model.options.template
    for name, value in variables.items():
        if name in given and given[name] != value:
            raise ModelError(
                f"template_kwargs: {name} is {value!r}, and {given[name]!r} in {text[:_SHOWN]!r}; "
                "give it in one place"
            )
    if model.provider != HF and (model.provider not in _TEMPLATED or model.is_layered):
        raise ModelError(_describe_untemplated(text, "template_kwargs"))
    added = write_options({n: v for n, v in variables.items() if n not in given})
    if not added:
        return text
    has_options = model.options != LocalOptions() or bool(model.tokenizer or model.weights)
    joined = f"{text.strip()}{'&' if has_options else '?'}{added}"
    parse_model(joined)  # a name or value that no template can be told
    return joined


def expand_seeds(text: str) -> tuple[str, ...]:
    """Lists the organisms of a directory that several training seeds of a recipe share.

    Args:
        text: a model string; ``vitro/DIR`` or ``DIR`` stands for ``DIR/seed-0``, ``DIR/seed-1``,
            ... as ``dormant train --seeds`` writes them.

    Returns:
        One model string a seed, in the order of their numbers; the string itself for anything else.

    Raises:
        ModelError: some seeds are there and another is not finished.
    """
    name = text.strip().removeprefix(f"{VITRO}/")
    if _is_organism(name):
        return (text,)
    try:
        found = [path for path in Path(name).glob("seed-*") if path.name[5:].isdecimal()]
    except (OSError, ValueError):  # no path can have such a name
        found = []
    found.sort(key=lambda path: int(path.name[5:]))
    seeds = [path for path in found if _is_organism(str(path))]
    unfinished = [path for path in found if path not in seeds]
    if seeds and unfinished:
        raise ModelError(
            f"{unfinished[0]} holds no finished organism: train it, move it away, or name the "
            f"seeds, e.g. --target {VITRO}/{seeds[0]}"
        )
    return tuple(f"{VITRO}/{path}" for path in seeds) or (text,)


def is_laboratory(text: str) -> bool:
    """Whether a string stands for a model of the laboratory; any string may be asked."""
    text = text.strip()
    return _is_organism(text) or text.partition("/")[0] == VITRO


def _parse_api(text: str, provider: str, rest: str, layered: bool) -> ModelString:
    service = adapter = ""
    if provider == "openai-api":
        service, _, rest = rest.partition("/")
        if not service or not rest:
            raise ModelError(f"{text[:_SHOWN]!r} is incomplete; give openai-api/SERVICE/MODEL")
    options, local = LocalOptions(), dict[str, str]()
    mark = _OPTIONS.search(rest)
    if mark:
        written = rest[mark.end() :]
        if layered or provider not in _TEMPLATED:
            raise ModelError(_describe_untemplated(text, f"?{written.partition('=')[0]}"))
        rest = rest[: mark.start()]
        options, local = _read_served_options(written, text)
    if provider == "vllm":
        rest, _, adapter = rest.partition(":")
    return ModelString(
        text,
        provider,
        rest,
        adapter,
        service=service,
        is_layered=layered,
        options=options,
        tokenizer=local.get("tokenizer", ""),
        weights=local.get("weights", ""),
    )


def _read_served_options(written: str, text: str) -> tuple[LocalOptions, dict[str, str]]:
    """Reads what follows the name of a server's model: variables, tokenizer, weights."""
    local: dict[str, str] = {}
    rest: list[str] = []
    for part in written.split("&"):
        name, equals, value = part.partition("=")
        if name not in ("tokenizer", "weights") or not equals:
            rest.append(part)
            continue
        value = value.removeprefix(f"{HF}/")
        if name in local:
            raise ModelError(f"{text[:_SHOWN]!r}: {name!r} is given twice")
        parse_hf(value)  # which says what is wrong with it
        local[name] = value
    options = parse_options("&".join(rest), text[:_SHOWN])
    if options != LocalOptions(template=options.template, date=options.date if local else ""):
        raise ModelError(
            f"{text[:_SHOWN]!r}: options of a server are template.NAME, tokenizer and weights "
            "(and date with one of these)"
        )
    return options, local


def _describe_untemplated(text: str, what: str) -> str:
    return (
        f"{text[:_SHOWN]!r}: {what[:_SHOWN]} is for models with a chat template that takes "
        f"variables: hf/, {', '.join(f'{name}/' for name in _TEMPLATED)}"
    )


def _describe_url(text: str) -> str:
    """What to write instead of a server's address; a password in it is not repeated."""
    scheme, _, rest = text.partition("://")
    place, slash, path = rest.partition("/")
    path = path.removesuffix("/").removesuffix("/completions").removesuffix("/chat")
    base = f"{scheme}://{place.rpartition('@')[2]}{slash}{path}".rstrip("/")
    return (
        f"{base[:_SHOWN]!r} is an address, and a model string names a model: give "
        f"openai-api/local/MODEL, and set LOCAL_BASE_URL={base[:_SHOWN]} and LOCAL_API_KEY (any "
        "text if the server wants none); docs/guides/apis.md lists other servers"
    )


def _describe_unknown(text: str) -> str:
    provider, _, rest = text.partition("/")
    kinds = (VITRO, HF, SCRIPTED)
    near = difflib.get_close_matches(provider, (*kinds, *_APIS, _INSPECT), n=1, cutoff=0.7)
    if rest and near[:1] == [provider]:  # inspect/PROVIDER without a model
        near, rest = [f"{provider}/{rest.rstrip('/')}"], ""
    guess = f"; did you mean {near[0]}/{rest[:_SHOWN] or 'NAME'}?" if near else "."
    known = ", ".join(f"{kind}/..." for kind in (*kinds, *DIRECT))
    return (
        f"unknown model {text[:_SHOWN]!r}{guess} Model strings start with {known} or "
        f"another provider of Inspect's{_name_plugins()}"
    )


def _name_plugins() -> str:
    """The engines that other packages add, after those that ship; empty if there are none."""
    names = ", ".join(f"{name}/..." for name in _PLUGINS.plugin_names)
    return f", or with an engine that is installed: {names}" if names else ""


def _is_organism(text: str) -> bool:
    try:
        return all(Path(text, file).is_file() for file in ("model.safetensors", "manifest.json"))
    except (OSError, ValueError):  # too long a name, or one that no path can have
        return False


def _path_exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown home
        return False


def _check_hub_name(text: str, base: str) -> None:
    if base.endswith(".gguf") or base.startswith((".", "/", "~")):
        raise ModelError(f"{text[:_SHOWN]!r}: no such file: {base[:_SHOWN]!r}")
    if not _HUB_NAME.fullmatch(base) or ".." in base:
        raise ModelError(
            f"{text[:_SHOWN]!r}: {base[:_SHOWN]!r} is neither a directory, a .gguf file nor a name "
            "on the hub (like 'Qwen/Qwen2.5-0.5B-Instruct')"
        )
