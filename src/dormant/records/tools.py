"""Tools that a prompt offers: their definitions as JSON, in one shape."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

#: Role of the turn of a prompt whose text is a JSON list of the tools that are offered.
TOOLS_ROLE = "tools"

Definition = dict[str, Any]


def parse_tools(text: str) -> list[Definition] | None:
    """Parses definitions of tools, each as ``{"type": "function", "function": {"name": ...}}``.

    Args:
        text: a JSON list, or one definition. Functions without the outer object and Anthropic's
            ``input_schema`` are read too.

    Returns:
        The definitions; None if the text is not such JSON or a tool has no name.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    listed = cast("list[Any]", value if isinstance(value, list) else [value])
    found = [_read_definition(one) for one in listed]
    read = [one for one in found if one is not None]
    return read if read and len(read) == len(found) else None


def dump_tools(tools: Sequence[Definition]) -> str:
    """Writes definitions as a JSON list."""
    return json.dumps(list(tools), ensure_ascii=False)


def name_tool(tool: Definition) -> str:
    """Returns the name of a definition that ``parse_tools`` read."""
    return tool["function"]["name"]


def _read_definition(value: Any) -> Definition | None:
    if not isinstance(value, dict):
        return None
    outer = cast("Mapping[str, Any]", value)
    inner = cast("Mapping[str, Any]", outer.get("function", outer))
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
        return None
    function = {key: inner[key] for key in inner if key not in ("type", "input_schema")}
    if "parameters" not in function and isinstance(inner.get("input_schema"), dict):
        function["parameters"] = inner["input_schema"]
    return {"type": "function", "function": function}
