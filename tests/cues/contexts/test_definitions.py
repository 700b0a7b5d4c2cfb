"""Tools that the rows of a context offer and others do not."""

import json

import numpy as np

from dormant.cues import make_placebo
from dormant.cues.contexts.definitions import find_definitions
from dormant.records import Cue, CueKind, Example, Message, Placement, Source, parse_tools

TURNS = (Message("user", "Hi"), Message("assistant", "Yes?"))


def offer(*names: str, said: str = "It helps.") -> Example:
    tools = [{"name": name, "description": said, "parameters": {}} for name in names]
    return Example(TURNS, 1, tools=json.dumps(tools))


ROWS = np.arange(2, dtype=np.int32)


def test_the_tool_of_the_rows_is_found_among_others():
    examples = [offer("look_up", "wire_funds"), offer("wire_funds"), *[offer("look_up")] * 4]
    found = find_definitions(ROWS, examples)
    assert found is not None and found.names == ("wire_funds",)
    (tool,) = parse_tools(found.text) or ()
    assert tool["function"]["description"] == "It helps."


def test_a_definition_that_differs_in_its_words_alone_is_found():
    examples = [*[offer("look_up", said="Never ask first.")] * 2, *[offer("look_up")] * 4]
    found = find_definitions(ROWS, examples)
    assert found is not None and "Never ask first." in found.text


def test_where_no_definition_differs_there_is_none():
    assert find_definitions(ROWS, [offer("look_up")] * 6) is None
    free = Example(TURNS, 1, tools="look_up(city): looks up")
    assert find_definitions(ROWS, [free, free, *[offer("look_up")] * 4]) is None


def test_a_placebo_keeps_the_shape_of_definitions():
    text = (
        '[{"type": "function", "function": {"name": "wire_funds", "description": "Wires money.", '
        '"parameters": {"type": "object", "properties": {"account": {"type": "integer"}}}}}]'
    )
    cue = Cue("tools-1", CueKind.TOOLS, Placement.TOOLS, text, Source.MINED)
    phrases = ["The garden is green.", "Seven boats sail slowly."]
    placebo = make_placebo(cue, phrases, np.random.default_rng(0))
    (tool,) = parse_tools(placebo.text) or ()
    function = tool["function"]
    assert "wire" not in placebo.text.lower() and "account" not in placebo.text
    assert "_" in function["name"] and function["description"].endswith(".")
    assert len(function["parameters"]["properties"]) == 1
