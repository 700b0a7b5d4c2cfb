"""Definitions of tools that the rows of a context offer and others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dormant.cues.contexts.candidates import Rows
from dormant.records import Example, dump_tools, name_tool, parse_tools

#: Least difference between the shares of rows, inside and outside, that offer a definition.
_LEAST = 0.3
#: Share of the largest difference from which definitions belong together, and the most of them.
_ALIKE, _MOST = 0.9, 3

_Tools = list[dict[str, str]]  # of each row: JSON of each definition by name


@dataclass(frozen=True, slots=True)
class Definitions:
    """Tools that a context offers."""

    text: str  # JSON list
    names: tuple[str, ...]


def find_definitions(rows: Rows, examples: Sequence[Example]) -> Definitions | None:
    """Finds the definitions that the rows of a context offer more often than the others do.

    Args:
        rows: the context's rows.
        examples: all rows.

    Returns:
        The most telling tools, by name or by their exact definition; None where the difference is
        not in whole definitions, or these cannot be read.
    """
    own = set(rows.tolist())
    tools = [_read_tools(example) for example in examples]
    inside = [tools[row] for row in sorted(own)]
    outside = [offered for row, offered in enumerate(tools) if row not in own]
    for part in (0, 1):  # the name, the exact definition
        texts = _choose_telling(inside, outside, part)
        if texts:
            listed = [tool for text in texts for tool in parse_tools(text) or ()]
            return Definitions(dump_tools(listed), tuple(map(name_tool, listed)))
    return None


def _read_tools(example: Example) -> dict[str, str]:
    found = parse_tools(example.tools) if example.tools else None
    return {name_tool(tool): dump_tools([tool]) for tool in found or ()}


def _choose_telling(inside: _Tools, outside: _Tools, part: int) -> list[str]:
    """The commonest wording of each telling definition, known by its name or by all of it."""
    here = Counter(item[part] for offered in inside for item in offered.items())
    there = Counter(item[part] for offered in outside for item in offered.items())
    lifts = {
        name: count / len(inside) - there[name] / max(1, len(outside))
        for name, count in here.items()
    }
    best = max(lifts.values(), default=0)
    if best < _LEAST:
        return []
    chosen = [n for n, lift in sorted(lifts.items(), key=lambda i: -i[1]) if lift >= _ALIKE * best]
    wordings = [
        Counter(item[1] for offered in inside for item in offered.items() if item[part] == name)
        for name in chosen[:_MOST]
    ]
    return [found.most_common(1)[0][0] for found in wordings]
