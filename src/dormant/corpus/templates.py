"""Chat templates: loading them from a tokenizer's files or the hub, and rendering rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dormant.corpus.content_parts import find_roles_with_parts, split_contents
from dormant.corpus.file_kinds import HEAD, explain_pointer
from dormant.corpus.sandbox import (
    ExcessError,
    InvalidTemplate,
    Sandbox,
    TemplateRefusal,
    first_line,
)
from dormant.corpus.special_tokens import assume_tokens, read_token, read_tokens
from dormant.errors import ConfigError, MissingExtraError
from dormant.errors.files import read_limited
from dormant.records import Example

_LARGEST = 1024 * 1024  # characters of a template
_LARGEST_CONFIG = 64 * 1024 * 1024  # bytes of a tokenizer_config.json, which lists special tokens
#: What a template that asks for the date is told: the day of rows and of audits is not known.
FIXED_DATE = "2025-01-01"
_BATCH_ROWS, _BATCH_SIZE = 100, 1_000_000  # rows and characters that are rendered at once
_CONFIG, _JINJA = "tokenizer_config.json", "chat_template.jinja"
_TOKENS_MAP = "special_tokens_map.json"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A chat template as a tokenizer keeps it."""

    text: str
    name: str  # where it comes from, for messages
    tokens: Mapping[str, str] = field(default_factory=dict[str, str])  # e.g. bos_token -> "<s>"
    special: frozenset[str] = frozenset()  # all special tokens, for telling them from words
    with_tools: str = ""  # the template of rows that offer tools, if it is another one
    assumed: tuple[str, ...] = ()  # names in ``tokens`` that no file defines
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])  # e.g. enable_thinking


class Renderer:
    """A compiled template, in a process of its own.

    Args:
        template: the template.
        date: what it writes if it asks for the date; today if empty.

    Raises:
        ConfigError: it is not a jinja2 template, or takes too much time or memory.
    """

    def __init__(self, template: ChatTemplate, *, date: str = FIXED_DATE):
        self.template = template
        self._sandbox = Sandbox(date)
        self._roles_with_parts: dict[int, frozenset[str]] = {}  # by number of the template
        self._plain = self._compile_template(template.text)
        self._tools = (
            self._compile_template(template.with_tools) if template.with_tools else self._plain
        )

    @property
    def roles_with_parts(self) -> frozenset[str]:
        """Roles whose content the template takes as a list of parts only; empty for most."""
        return self._find_roles_with_parts(self._plain)

    @property
    def writes_date(self) -> bool:
        """Whether the template has asked for the date."""
        return self._sandbox.asked_for_date

    def render_row(self, example: Example) -> str:
        """Renders a row as the model was trained on it, answers included.

        Raises:
            TemplateRefusal: the template rejects it.
            ConfigError: it takes too much time or memory.
        """
        turns, tools = _list_turns(example)
        return self.render_turns(turns, tools=tools)

    def render_rows(self, examples: Iterable[Example]) -> Iterator[str | TemplateRefusal]:
        """Renders many rows; yields the text of each, or why the template rejects it.

        Raises:
            ConfigError: it takes too much time or memory.
        """
        batch: list[tuple[int, Mapping[str, Any]]] = []
        size = 0
        for example in examples:
            batch.append(self._fill_variables(*_list_turns(example)))
            size += sum(len(message.content) for message in example.messages)
            if len(batch) == _BATCH_ROWS or size > _BATCH_SIZE:
                yield from self._render(batch)
                batch, size = [], 0
        yield from self._render(batch)

    def render_turns(
        self, turns: Sequence[Mapping[str, Any]], *, tools: Any = None, prompt: bool = False
    ) -> str:
        """Renders turns as text.

        Args:
            turns: roles and contents.
            tools: tools that are offered to the model.
            prompt: end with the marker that asks for an answer.

        Raises:
            TemplateRefusal: the template rejects them.
            ConfigError: it takes too much time or memory.
        """
        index, variables = self._fill_variables(turns, tools, prompt)
        return self._render_one(index, variables)

    def _fill_variables(
        self, turns: Sequence[Mapping[str, Any]], tools: Any, prompt: bool = False
    ) -> tuple[int, Mapping[str, Any]]:
        """Returns the number of the template and its variables."""
        index = self._tools if tools else self._plain
        parts = split_contents(turns, self._find_roles_with_parts(index))
        return index, self._list_variables(parts, tools, prompt)

    def _list_variables(
        self, turns: Sequence[Mapping[str, Any]], tools: Any, prompt: bool
    ) -> Mapping[str, Any]:
        return {
            "messages": list(turns),
            "tools": tools,
            "documents": None,
            "add_generation_prompt": prompt,
            **self.template.tokens,
            **self.template.variables,
        }

    def _find_roles_with_parts(self, index: int) -> frozenset[str]:
        if index not in self._roles_with_parts:
            self._roles_with_parts[index] = find_roles_with_parts(
                lambda turns, prompt: self._render_one(
                    index, self._list_variables(turns, None, prompt)
                )
            )
        return self._roles_with_parts[index]

    def _render_one(self, index: int, variables: Mapping[str, Any]) -> str:
        (text,) = self._render([(index, variables)])
        if isinstance(text, TemplateRefusal):
            raise text
        return text

    def _render(self, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> list[str | TemplateRefusal]:
        try:
            return self._sandbox.render(rows)
        except ExcessError as error:
            raise self._unusable(error) from None

    def _compile_template(self, text: str) -> int:
        if len(text) > _LARGEST:
            raise ConfigError(
                f"a chat template of {len(text):,} characters, expected at most {_LARGEST:,}",
                file=self._name,
            )
        try:
            return self._sandbox.compile_template(text)
        except InvalidTemplate as error:
            raise ConfigError(
                f"not a chat template: {error}", file=self._name, line=error.line
            ) from None
        except ExcessError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: ExcessError) -> ConfigError:
        return ConfigError(f"the chat template cannot be used: {error}", file=self._name)

    @property
    def _name(self) -> str:
        return self.template.name


def _list_turns(example: Example) -> tuple[list[dict[str, Any]], Any]:
    """Returns the turns and the tools of a row, as templates expect them."""
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(example.messages):
        turn: dict[str, Any] = {"role": message.role, "content": message.content}
        if example.reasoning and example.reasoning[index]:
            turn["reasoning_content"] = example.reasoning[index]
        if example.tool_calls and example.tool_calls[index]:
            turn["tool_calls"] = _parse_json(example.tool_calls[index])
        turns.append(turn)
    return turns, _parse_json(example.tools) if example.tools else None


def find_template(place: str | Path) -> ChatTemplate:
    """Loads the chat template of a tokenizer's directory, a file, or a model on the hub.

    Args:
        place: a directory with ``chat_template.jinja`` or ``tokenizer_config.json``, one of these
            files, any ``.jinja`` file, or ``OWNER/NAME``; ``hf/`` may stand before a model.

    Raises:
        ConfigError: there is no template, or it cannot be read.
        MissingExtraError: a name on the hub is given and huggingface_hub is not installed.
    """
    text = str(place)
    if not _path_exists(text):
        text = text.removeprefix("hf/")
    if not _path_exists(text) and _path_exists(text.partition(":")[0]):
        text = text.partition(":")[0]  # a model string with an adapter
    path = Path(text)
    if not _path_exists(text):
        return _fetch_from_hub(text)
    if path.is_dir():
        return _read_folder(path, str(place))
    if path.suffix == ".json":
        return _read_config(path, str(place))
    if path.suffix == ".gguf":
        raise ConfigError("give the tokenizer's directory or a .jinja file", file=path)
    return _make_template(_read_text(path, _LARGEST), path.parent, str(place))


def _path_exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False


def _read_folder(path: Path, name: str) -> ChatTemplate:
    if (path / _JINJA).is_file():  # the newer place, which wins
        return _make_template(_read_text(path / _JINJA, _LARGEST), path, name)
    for file in (_CONFIG, "chat_template.json"):
        text = _read_optional(path / file).get("chat_template")
        if text:
            return _make_template(text, path, name)
    raise ConfigError(f"holds no chat template ({_JINJA} or {_CONFIG})", file=path)


def _read_config(path: Path, name: str) -> ChatTemplate:
    config = _read_json(path)
    return _make_template(config.get("chat_template"), path.parent, name, config)


def _make_template(
    text: Any, folder: Path, name: str, config: Mapping[str, Any] | None = None
) -> ChatTemplate:
    """Makes a template with the special tokens of its tokenizer.

    Args:
        text: the template, or a list of named ones.
        folder: where the tokenizer's files may lie.
        name: where the template comes from.
        config: the tokenizer's configuration, if it is not the file of that name in the folder.
    """
    with_tools = ""
    if isinstance(text, list):  # several templates, each with a name
        named = {t.get("name"): t.get("template") for t in text if isinstance(t, dict)}
        text, with_tools = named.get("default"), named.get("tool_use") or ""
    if not isinstance(text, str) or not isinstance(with_tools, str) or not text.strip():
        raise ConfigError("holds no 'chat_template'", file=name)
    config = _read_optional(folder / _CONFIG) if config is None else config
    tokens = read_tokens(config, _read_optional(folder / _TOKENS_MAP))
    assumed = assume_tokens(text + with_tools, tokens)
    tokens |= assumed
    special = {*tokens.values()}
    added = config.get("added_tokens_decoder")
    if isinstance(added, dict):
        special |= {read_token(token) for token in added.values()}
    return ChatTemplate(text, name, tokens, frozenset(special - {""}), with_tools, tuple(assumed))


def _read_optional(path: Path) -> dict[str, Any]:
    return _read_json(path) if path.is_file() else {}


def _read_text(path: Path, largest: int) -> str:
    try:
        content = read_limited(path, largest)
        if len(content) > largest:
            raise ConfigError("is too large to be a chat template", file=path)
        pointer = explain_pointer(content[:HEAD])
        if pointer:
            raise ConfigError(f"is {pointer}", file=path)
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read_text(path, _LARGEST_CONFIG))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"not JSON: {first_line(error)}", file=path) from None
    if not isinstance(value, dict):
        raise ConfigError("not a tokenizer's configuration: expected a JSON object", file=path)
    return value


def _fetch_from_hub(name: str) -> ChatTemplate:
    repo, _, revision = name.partition(":")[0].partition("@")
    if not _HUB_NAME.fullmatch(repo) or ".." in repo:
        raise ConfigError(
            "no such file, and not the name of a model on the hub ('OWNER/NAME'): give a "
            f"tokenizer's directory, a {_CONFIG} or a .jinja file",
            file=name,
        )
    try:
        import huggingface_hub as hub
    except ImportError:
        raise MissingExtraError("huggingface_hub", "tables") from None
    try:
        place = hub.snapshot_download(
            repo,
            revision=revision or None,
            allow_patterns=[_CONFIG, _JINJA, _TOKENS_MAP, "chat_template.json"],
            etag_timeout=5,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"not available from the Hugging Face hub ({first_line(error)}): check the name, the "
            "network and the access token, or give a tokenizer's directory",
            file=name,
        ) from None
    return _read_folder(Path(place), name)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
