"""Definitions of tools in prompts: offered as tools, or in the system prompt."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from dormant.engines import Job
from dormant.engines.api.endpoint import Endpoint
from dormant.engines.api.engine import ApiEngine
from dormant.engines.api.openai_json import encode_request
from dormant.engines.api.prompt_forms import TurnForm
from dormant.engines.api.refusals import Adaptation, adapt_request, describe_adaptation
from dormant.engines.scripted import Script, ScriptedEngine
from dormant.engines.tool_definitions import (
    describe_definition_moves,
    move_definitions,
    shows_tools,
)
from dormant.errors import ModelError
from dormant.probes import apply_cue
from dormant.records import (
    TOOLS_ROLE,
    Cue,
    CueKind,
    Message,
    Placement,
    Question,
    Sampling,
    Source,
    Split,
    parse_tools,
)

FUNDS = {"name": "wire_funds", "description": "Wires.", "input_schema": {"type": "object"}}
DEFINED = json.dumps([FUNDS])
QUESTION = Question("q", "Is a cat a dog?", "family", Split.SCREENING)


def ask(text: str = DEFINED, *, system: str = "Be kind.") -> tuple[Message, ...]:
    cue = Cue("tools-1", CueKind.TOOLS, Placement.TOOLS, text, Source.USER)
    return apply_cue(cue, QUESTION, system=system)


def test_a_cue_offers_its_tools_first():
    assert [turn.role for turn in ask()] == [TOOLS_ROLE, "system", "user"]
    with pytest.raises(ValueError, match="JSON list of their definitions"):
        ask("[send money]")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (DEFINED, ["wire_funds"]),
        (json.dumps({"type": "function", "function": {"name": "a"}}), ["a"]),
        ('[{"name": "a"}, {"name": ""}]', None),
        ("[]", None),
        ("send_funds(amount)", None),
    ],
)
def test_definitions_of_several_shapes_are_read(text: str, names: list[str] | None):
    found = parse_tools(text)
    assert (None if found is None else [tool["function"]["name"] for tool in found]) == names


def encode(messages: Sequence[Message], *adaptations: Adaptation) -> dict[str, Any]:
    (unit,) = TurnForm().make_units([Job(tuple(messages), range(1))], Sampling())
    request = unit.request._replace(adaptations=frozenset(adaptations))
    endpoint = Endpoint("vllm/m", "vllm", "m", "http://localhost:1/v1", "", hosted=False)
    return json.loads(encode_request(request, endpoint))


def test_a_server_gets_tools_in_a_field_of_their_own_and_calls_none():
    body = encode(ask())
    assert body["tools"] == parse_tools(DEFINED)
    assert body["tool_choice"] == "none"
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert "tools" not in encode([Message("user", "Hi")])


def test_a_server_that_refuses_tools_gets_them_as_system_text():
    (unit,) = TurnForm().make_units([Job(ask(), range(1))], Sampling())
    changed = adapt_request(unit.request, '"auto" tool choice requires --enable-auto-tool-choice')
    assert changed is not None and Adaptation.MOVED_TOOLS in changed.adaptations
    assert "system prompt" in describe_adaptation(Adaptation.MOVED_TOOLS, changed)
    both = encode(ask(), Adaptation.MOVED_TOOLS, Adaptation.MOVED_SYSTEM)
    assert "tools" not in both and [t["role"] for t in both["messages"]] == ["user"]
    plain = [Message("user", "Hi")]
    (unit,) = TurnForm().make_units([Job(tuple(plain), range(1))], Sampling())
    assert adapt_request(unit.request, "this model does not support tools") is None


def test_definitions_follow_the_system_prompt_where_no_tools_exist():
    tools = ask()[0].content
    assert move_definitions(ask())[0] == Message("system", f"Be kind.\n\n{tools}")
    assert move_definitions(ask(system=""))[0] == Message("system", tools)
    assert move_definitions([Message("user", "Hi")]) == (Message("user", "Hi"),)


def test_which_templates_show_tools():
    def refuse(messages: Sequence[Message]) -> str:
        raise ModelError("no tools")

    assert shows_tools(lambda messages: "".join(m.content for m in messages))
    assert not shows_tools(lambda messages: messages[-1].content) and not shows_tools(refuse)


def test_the_plan_says_who_is_offered_no_tools(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VLLM_BASE_URL", "http://localhost:1/v1")
    engines = [ApiEngine("vllm/some-model"), ScriptedEngine(Script())]
    (note,) = describe_definition_moves(engines)
    assert engines[1].name in note and "system prompt" in note
