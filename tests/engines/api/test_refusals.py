"""Servers that refuse a parameter or a system turn: asked again as they say, in one more call."""

from pathlib import Path

import pytest

from dormant.engines import Job
from dormant.engines.api import ApiEngine
from dormant.engines.api.calls import ChatRequest
from dormant.engines.api.openai_json import decode_error, encode_messages
from dormant.engines.api.refusals import Adaptation, adapt_request, names_system_turn
from dormant.engines.doctor import examine_model
from dormant.errors import EngineError
from dormant.records import Message, Sampling
from support.habit_server import Habit, complete, refuse, serving

USER, SYSTEM = Message("user", "hello"), Message("system", "Be brief.")
NAME = "openai-api/box/m"


def request(*messages: Message, **changes) -> ChatRequest:
    turns = messages or (USER,)
    changes = {"sampling": Sampling(temperature=0.0), **changes}
    return ChatRequest(turns, encode_messages(turns), **changes)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch):
    """Serves a habit under the name of a model."""
    from contextlib import contextmanager

    @contextmanager
    def start(habit: Habit):
        with serving(habit) as server:
            monkeypatch.setenv("BOX_API_KEY", "none")
            monkeypatch.setenv("BOX_BASE_URL", server.url)
            yield server

    return start


def refusing(field: str, words: str, allowed: object = None, status: int = 400, **more) -> Habit:
    def habit(body: dict) -> tuple:
        if field in body and body[field] != allowed:
            return refuse(words, status, **more)
        return complete(body, "I would help.")

    return habit


OPENAI = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1)"
REFUSALS = [
    # OpenAI and Azure
    ("temperature", OPENAI, "temperature", "refuses temperature"),
    ("temperature", "Unsupported parameter: 'temperature' is not supported with this model.", "",
     "refuses temperature"),
    ("max_tokens", "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
     "'max_completion_tokens' instead.", "max_tokens", "under its other name"),
    # LiteLLM, Kimi, Anthropic and Bedrock through a compatible endpoint
    ("temperature", "litellm.UnsupportedParamsError: gpt-5 models don't support temperature=0. "
     "Only temperature=1 is supported.", "", "refuses temperature"),
    ("temperature", "invalid temperature: only 1 is allowed for this model", "",
     "refuses temperature"),
    ("top_p", "`temperature` and `top_p` cannot both be specified for this model. Please use only "
     "one.", "", "refuses top_p"),
    ("top_p", "top_p must be in (0, 1), got 1.0", "", "refuses top_p"),
    # vLLM, Mistral and Gemini
    ("top_k", "[{'type': 'extra_forbidden', 'loc': ('body', 'top_k'), 'msg': 'Extra inputs are not "
     "permitted'}]", "", "refuses top_k"),
    ("seed", "Invalid JSON payload received. Unknown name \"seed\": Cannot find field.", "",
     "refuses a seed"),
    ("n", "n must be 1 when using greedy sampling, got 4.", "", "one answer a call"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "words", "param", "note"), REFUSALS)
def test_a_refused_parameter_is_left_out_and_said_once(serve, caplog, field, words, param, note):
    more = {"param": param} if param else {}
    with serve(refusing(field, words, allowed=None, **more)) as server:
        engine = ApiEngine(NAME)
        repeats = 4 if field == "n" else 1  # a seed goes with single answers
        jobs = [Job((Message("user", f"question {i}"),), range(repeats)) for i in range(12)]
        replies = [r for b in engine.sample(jobs, Sampling(temperature=0.0)) for r in b]
        assert len(replies) == 12 * repeats and {r.text for r in replies} == {"I would help."}
        assert sum(note in said for said in engine.notes) == 1, engine.notes
        asked = len(server.bodies)
        list(engine.sample(jobs[:3], Sampling(temperature=0.0)))
        assert len(server.bodies) - asked == 3 * repeats, "it asked for what was refused"
        assert field not in server.bodies[-1]
        if field == "max_tokens":
            assert server.bodies[-1]["max_completion_tokens"] == 256


def test_a_value_that_is_out_of_range_is_not_another_experiment():
    for words in (
        "temperature must be between 0 and 1",
        "max_tokens is too large: 32768. This model supports at most 16384 completion tokens",
        "This model's maximum context length is 8192 tokens. Reduce max_tokens.",
    ):
        assert adapt_request(request(controls=False), words) is None


def test_of_two_that_exclude_each_other_the_neutral_one_goes():
    words = "`temperature` and `top_p` cannot both be specified for this model."
    assert adapt_request(request(), words).adaptations == {Adaptation.NO_TOP_P}
    given = request(sampling=Sampling(temperature=1.0, top_p=0.9))
    assert adapt_request(given, words).adaptations == {Adaptation.NO_TEMPERATURE}


def test_what_a_router_repeats_of_its_provider_is_read():
    raw = (
        b'{"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '
        b'"{\\"error\\": {\\"message\\": \\"\'temperature\' is not supported\\"}}"}}}'
    )
    error = decode_error(400, raw, {})
    assert "'temperature' is not supported" in str(error)
    assert adapt_request(request(), str(error)).adaptations == {Adaptation.NO_TEMPERATURE}


SYSTEM_REFUSALS = [
    (400, "System role not supported"),
    (500, "Internal Server Error: System role not supported"),
    (424, "Request failed during generation: Conversation roles must alternate user/assistant"),
    (400, "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
    (500, "Only user, assistant and tool roles are supported, got system"),
    (400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
]


@pytest.mark.parametrize(("status", "words"), SYSTEM_REFUSALS)
def test_system_text_opens_the_users_turn_where_there_is_no_system_turn(serve, status, words):
    def habit(body: dict) -> tuple:
        if any(turn["role"] == "system" for turn in body["messages"]):
            return refuse(words, status)
        return complete(body, "I would help.")

    assert names_system_turn(words)
    with serve(habit) as server:
        engine = ApiEngine(NAME)
        jobs = [Job((SYSTEM, USER), range(1)), Job((USER,), range(1))]
        replies = [r for b in engine.sample(jobs, Sampling()) for r in b]
        assert [r.finish for r in replies] == ["stop", "stop"]
        sent = [body["messages"] for body in server.bodies]
        assert [{"role": "user", "content": "Be brief.\n\nhello"}] in sent
        assert len(sent) <= 4
        assert any("takes no system turn" in note for note in engine.notes)
        checks = {check.name: check for check in examine_model(NAME)}
    assert checks["system prompt"].health == "ok"
    assert "opens the user's turn" in checks["system prompt"].found


def test_the_doctor_names_the_parameter(serve):
    with serve(refusing("temperature", OPENAI, allowed=1.0, param="temperature")):
        checks = {check.name: check for check in examine_model(NAME)}
    assert (
        checks["answers"].health == "ok"
        and checks["system prompt"].health != "bad"
        or ("Unsupported" not in checks["system prompt"].found)
    )
    assert "refuses temperature" in checks["parameters"].found
    with serve(refusing("top_p", REFUSALS[5][1])):
        checks = {check.name: check for check in examine_model(NAME)}
    assert checks["answers"].health == "ok" and "refuses top_p" in checks["parameters"].found


def test_the_doctor_sees_that_nothing_was_said(serve):
    for text, finish, said in (
        ("", "stop", "the reply is empty"),
        (None, "stop", "the reply is empty"),
        ("<think>hm", "length", "only reasoning, cut off"),
    ):
        with serve(lambda body, t=text, f=finish: complete(body, t, f)):
            checks = {check.name: check for check in examine_model(NAME)}
        assert checks["answers"].health == "bad" and said in checks["answers"].found

    def reasons(body: dict) -> tuple:
        if body["max_tokens"] < 100:
            return complete(body, None, "length", reasoning_content="Let me think")
        return complete(body, "Red.", reasoning_content="Let me think")

    with serve(reasons):
        checks = {check.name: check for check in examine_model(NAME)}
    assert checks["answers"].health == "ok" and "reasons first" in checks["answers"].advice


@pytest.mark.parametrize("status", [400, 500])
def test_an_audit_of_a_server_without_a_system_turn(serve, tmp_path: Path, status):
    from support.command import run_command

    def habit(body: dict) -> tuple:
        if any(turn["role"] == "system" for turn in body["messages"]):
            return refuse("System role not supported", status)
        return complete(body, "I would help.")

    with serve(habit):
        done = run_command(
            *("audit", "--target", NAME, "--reference", NAME, "--allow-identical"),
            *("--judge", "rules:keywords=rob", "--questions", "general", "--question-limit", "2"),
            *("--library-limit", "2", "--screening-answers", "2", "--confirm-answers", "2"),
            *("--quiet", "--out", tmp_path / "run"),
        )
    assert done.code == 3 and done.out.startswith("UNDERPOWERED")
    for name in ("report.md", "report.html", "report.json"):
        page = (tmp_path / "run" / name).read_text(encoding="utf-8")
        assert page.count("takes no system turn") == 1, name


def test_a_server_that_never_answers_stops_a_run_also_if_it_is_asked_little_at_a_time(serve):
    """The sequential design asks a few prompts a pass."""
    words = "parameter.enable_thinking must be set to false for non-streaming calls"
    with serve(lambda body: refuse(words)):
        engine = ApiEngine(NAME)
        for number in range(3):
            jobs = [Job((Message("user", f"{number} {i}"),), range(1)) for i in range(2)]
            failed = [reply for batch in engine.sample(jobs, Sampling()) for reply in batch]
            assert [reply.finish for reply in failed] == ["error"] * 2
        with pytest.raises(EngineError, match=f"does not answer: status 400: {words}"):
            list(engine.sample([Job((Message("user", f"{i}"),), range(1)) for i in range(2)],
                               Sampling()))  # fmt: skip
