"""Contexts of transcripts as cues: what stood around the last question of a logged conversation.

Read are logs of Inspect (``.json``, ``.eval``), transcripts of Petri, and any JSON that holds a
list of turns. Of each conversation the system prompt, the offered tools and the turns before the
last user turn are the context; the last user turn gives way to the audit's own question.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dormant.corpus.turns import read_turn
from dormant.errors import ConfigError, RowError
from dormant.errors.packed_logs import check_depth, check_packed_log
from dormant.records import (
    TOOLS_ROLE,
    Cue,
    CueKind,
    CuePart,
    Message,
    Placement,
    Source,
    describe_parts,
    describe_turns,
    dump_tools,
    parse_tools,
)

#: Keys under which a conversation's turns stand; Petri's target sees ``target_messages``.
_TURNS = ("target_messages", "messages", "conversation", "conversations", "turns")
_SAMPLES = ("samples", "transcripts", "results")
#: Bytes of a log that are read, and conversations that become cues.
_LARGEST, _MOST = 256 << 20, 20
_LETTERS = 60


def read_log_cues(path: str | Path) -> tuple[Cue, ...]:
    """Reads the contexts of a log, each distinct one once.

    Args:
        path: an Inspect log (``.json``, ``.eval``), a Petri transcript, or JSON with turns.

    Raises:
        ConfigError: the file cannot be read, or no conversation has a context; names file and fix.
    """
    path = Path(path)
    found: dict[str, Cue] = {}
    for name, sample in _list_samples(path):
        try:
            cue = _make_cue(f"{path.stem}-{name}", sample, path.name)
        except RowError as error:
            raise ConfigError(f"{name}: {error}", file=path) from None
        if cue is not None:
            found.setdefault(cue.id, cue)
    if not found:
        raise ConfigError(
            "holds no context: a conversation needs a system prompt, tools or turns before its "
            "last user turn",
            file=path,
        )
    if len(found) > _MOST:
        raise ConfigError(
            f"holds {len(found)} contexts, more than {_MOST}: give a log of fewer conversations, "
            "since an audit asks every question under each",
            file=path,
        )
    return tuple(found.values())


def _list_samples(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields the name and the object of each conversation."""
    if path.suffix.lower() == ".eval":
        yield from _list_packed(path)
        return
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"is larger than {_LARGEST >> 20} MiB", file=path)
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from None
    check_depth(raw, path.name, path)
    try:
        content: Any = json.loads(raw)
    except (ValueError, RecursionError):
        raise ConfigError(
            "is not JSON: give an Inspect log (.json, .eval) or a Petri transcript", file=path
        ) from None
    yield from _list_objects(content, path)


def _list_objects(content: Any, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(content, list):
        is_chat = all(isinstance(one, dict) and "role" in one for one in content)
        content = {"messages": content} if is_chat else {"samples": content}
    if not isinstance(content, dict):
        raise ConfigError("is no object of JSON: give a log", file=path)
    samples = next((content[key] for key in _SAMPLES if isinstance(content.get(key), list)), None)
    listed: list[Any] = [content] if samples is None or _has_turns(content) else samples
    for number, sample in enumerate(listed, start=1):
        if isinstance(sample, dict):
            yield str(sample.get("id", number)), sample


def _list_packed(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Samples of an Inspect log in its packed form."""
    check_packed_log(path)
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [p for p in archive.infolist() if p.filename.startswith("samples/")]
            if sum(part.file_size for part in parts) > _LARGEST:
                raise ConfigError(f"unpacks to more than {_LARGEST >> 20} MiB", file=path)
            for part in parts:
                yield from _list_objects(json.loads(archive.read(part)), path)
    except NotImplementedError:
        raise ConfigError(
            "is packed in a way that is not read here: convert it with `inspect log convert --to "
            "json`",
            file=path,
        ) from None
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile, RuntimeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"is not an Inspect log: {error}", file=path) from None


def _has_turns(sample: Mapping[str, Any]) -> bool:
    return any(isinstance(sample.get(key), list) for key in _TURNS)


def _make_cue(name: str, sample: Mapping[str, Any], file: str) -> Cue | None:
    """The context of one conversation; None if there is none."""
    key = next((key for key in _TURNS if isinstance(sample.get(key), list)), None)
    if key is None:
        return None
    raw: list[Any] = sample[key]
    turns = [_read_message(turn, f"{key}[{i}]") for i, turn in enumerate(raw)]
    last = max((i for i, turn in enumerate(turns) if turn.role == "user"), default=0)
    system = "\n".join(t.content for t in turns if t.role == "system" and t.content.strip())
    history = tuple(t for t in turns[:last] if t.role not in ("system", TOOLS_ROLE) and t.content)
    tools = _find_tools(sample)
    parts = [CuePart(Placement.TOOLS, tools)] if tools else []
    parts += [CuePart(Placement.SYSTEM, system)] if system else []
    parts += [CuePart(Placement.HISTORY, describe_turns(history), history)] if history else []
    if not parts:
        return None
    kinds = {
        Placement.TOOLS: CueKind.TOOLS,
        Placement.SYSTEM: CueKind.SYSTEM_PROMPT,
        Placement.HISTORY: CueKind.HISTORY,
    }
    first, *more = parts
    return Cue(
        name=" ".join(name.split())[:_LETTERS],
        kind=CueKind.CROSSED if more else kinds[first.placement],
        placement=Placement.CROSSED if more else first.placement,
        text=describe_parts(parts) if more else first.text,
        source=Source.USER,
        why=f"the context of a logged conversation ({file})",
        turns=() if more else first.turns,
        parts=tuple(parts) if more else (),
    )


def _read_message(raw: Any, where: str) -> Message:
    """One turn; a call of tools is its JSON, where it has no words."""
    turn = read_turn(raw, where, "messages")
    if turn.message.content or not turn.tool_calls:
        return turn.message
    return Message(turn.message.role, turn.tool_calls)


def _find_tools(sample: Mapping[str, Any]) -> str:
    """The definitions that the conversation's first call of the model offered, as JSON, or ""."""
    events = sample.get("events")
    listed = [sample.get("tools")]
    listed += [e.get("tools") for e in events or () if isinstance(e, dict)]
    for tools in listed:
        if isinstance(tools, list) and tools:
            found = parse_tools(json.dumps(tools, default=str))
            if found is not None:
                return dump_tools(found)
    return ""
