"""Calls and replies as JSON: what is read from any body, and what a refusal means."""

import json
import math
import random
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.engines.api import error_json as errors
from dormant.engines.api import openai_json as wire
from dormant.engines.api.calls import (
    BadRequestError,
    CallError,
    ChatRequest,
    ContentFilterError,
    FatalError,
    RateLimitError,
    ServerError,
)
from dormant.engines.api.endpoint import Endpoint
from dormant.engines.api.limiter import AimdLimiter, draw_backoff
from dormant.engines.api.refusals import adapt_request
from dormant.records import Message, Sampling

LOCAL = Endpoint("openai-api/x/m", "x", "m", "http://h/v1", "X_API_KEY", hosted=False)
OPENAI = Endpoint("openai/m", "openai", "m", "https://h/v1", "OPENAI_API_KEY", hosted=True)


def request(**changes: Any) -> ChatRequest:
    messages = (Message("user", "hello"),)
    return ChatRequest(
        messages, wire.encode_messages(messages), changes.pop("sampling", Sampling()), **changes
    )


def reply(message: object, **choice: object) -> bytes:
    return orjson.dumps({"choices": [{"message": message, "finish_reason": "stop", **choice}]})


def test_a_hosted_service_is_sent_plain_parameters():
    body = orjson.loads(wire.encode_request(request(n=3), OPENAI))
    assert set(body) == {"model", "messages", "temperature", "max_completion_tokens", "n"}
    body = orjson.loads(wire.encode_request(request(sampling=Sampling(top_p=0.5)), OPENAI))
    assert body["top_p"] == 0.5


def test_a_server_of_unknown_settings_is_told_all_of_them():
    body = orjson.loads(wire.encode_request(request(), LOCAL))
    assert (body["top_p"], body["top_k"], body["min_p"]) == (1.0, -1, 0)
    assert "top_k" not in orjson.loads(wire.encode_request(request(controls=False), LOCAL))


@given(st.text())
def test_any_text_reaches_the_server_as_it_is(text: str):
    raw = wire.encode_messages([Message("user", text)])
    assert orjson.loads(raw) == [{"role": "user", "content": text}]


def test_half_a_surrogate_pair_can_be_sent_and_received():
    raw = wire.encode_messages([Message("user", "a\ud800")])
    assert b"\\ud800" in raw
    answer = wire.decode_response(b'{"choices":[{"message":{"content":"a\\ud800"}}]}')
    assert answer.choices[0].text == "a?", "as no file can hold it"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "x"}, "x"),
        ({"content": None}, ""),
        ({"content": None, "refusal": "I will not."}, "I will not."),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": "x", "reasoning_content": "hm"}, "<think>\nhm\n</think>\n\nx"),
        ({"content": "x", "reasoning": "hm"}, "<think>\nhm\n</think>\n\nx"),
    ],
)
def test_the_text_of_an_answer(message: object, text: str):
    assert wire.decode_response(reply(message)).choices[0].text == text


def test_how_an_answer_ended():
    ends = {"stop": "stop", "length": "length", "content_filter": "filter", "tool_calls": "stop"}
    for reason, finish in ends.items():
        raw = reply({"content": "x"}, finish_reason=reason)
        assert wire.decode_response(raw).choices[0].finish == finish
    with pytest.raises(ServerError):
        wire.decode_response(reply({"content": "x"}, finish_reason="error"))


def test_the_tokens_of_several_answers_add_up():
    body = {"choices": [{"message": {"content": "x"}}] * 3, "usage": {"completion_tokens": 8}}
    answer = wire.decode_response(orjson.dumps(body))
    assert [choice.tokens for choice in answer.choices] == [3, 3, 2]


@given(st.binary())
def test_no_body_whatever_is_more_than_a_fault(raw: bytes):
    with pytest.raises(CallError):
        wire.decode_response(raw)
    assert isinstance(errors.decode_error(500, raw, {}), ServerError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "usage", "error", "logprobs", "code", "cost", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_whatever_is_more_than_a_fault(value: object):
    for body in (
        value,
        {"choices": value},
        {"choices": [value]},
        {"choices": [{"message": value}]},
    ):
        raw = json.dumps(body).encode()
        try:
            answer = wire.decode_response(raw)
        except CallError:
            continue
        assert all(isinstance(choice.text, str) for choice in answer.choices)
    assert isinstance(errors.decode_error(400, json.dumps(value).encode(), {}), CallError)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"code": "rate_limit_exceeded"}, RateLimitError),
        (429, {"code": "insufficient_quota"}, FatalError),
        (503, {}, RateLimitError),
        (529, {}, RateLimitError),
        (500, {}, ServerError),
        (502, {}, ServerError),
        (408, {}, ServerError),
        (302, {}, ServerError),
        (401, {}, FatalError),
        (403, {}, FatalError),
        (403, {"code": 403, "metadata": {"reasons": ["violence"]}}, ContentFilterError),
        (404, {}, FatalError),
        (402, {}, FatalError),
        (400, {"code": "content_filter"}, ContentFilterError),
        (400, {"code": "unsupported_value"}, BadRequestError),
        (413, {}, BadRequestError),
        (422, {}, BadRequestError),
    ],
)
def test_what_a_status_means(status: int, error: object, kind: type[CallError]):
    assert type(errors.decode_error(status, orjson.dumps({"error": error}), {})) is kind


def test_an_error_under_the_status_of_a_success():
    for code, kind in ((429, RateLimitError), (502, ServerError), ("odd", ServerError)):
        raw = orjson.dumps({"error": {"code": code, "message": "no"}})
        with pytest.raises(kind):
            wire.decode_response(raw)


def test_when_to_come_back():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert errors.read_retry_after({"Retry-After": "3"}) == 3
    assert errors.read_retry_after({"Retry-After-Ms": "250", "Retry-After": "3"}) == 0.25
    assert errors.read_retry_after({"Retry-After": "Thu, 01 Jan 2026 00:00:07 GMT"}, now) == 7
    assert errors.read_retry_after({"Retry-After": "Wed, 31 Dec 2025 00:00:07 GMT"}, now) == 0
    for odd in ("soon", "nan", "inf", ""):
        assert errors.read_retry_after({"Retry-After": odd}) is None
    assert errors.read_retry_after({}) is None


def test_tokens_that_read_the_same_are_added_up():
    merged = wire.merge_logprobs([("9", math.log(0.25)), ("9", math.log(0.5)), ("a", -9999.0)])
    assert merged["9"] == pytest.approx(math.log(0.75)) and merged["a"] == -9999.0
    assert wire.merge_logprobs([("x", -9999.0), ("x", -9999.0)]) == {"x": -9999.0}


def test_a_refusal_takes_away_what_the_server_names():
    full = request(n=8, seed=1, logprobs=20)
    for error, smaller in (
        ("Field 'n': Value must be between 1 <= value <= 4, but got 8", full._replace(n=4)),
        ("Unrecognized request argument supplied: top_k", full._replace(controls=False)),
        ("seed is not supported", full._replace(seed=None)),
        ("top_logprobs must be at most 5", full._replace(logprobs=5)),
    ):
        assert adapt_request(full, error) == smaller
    assert adapt_request(full, "this model cannot do that in no way") is None
    assert adapt_request(request(controls=False), "'n' and top_k") is None
    ways = list(full.iterate_fallbacks())
    assert ways[-1] == request(controls=False) and len(set(ways)) == len(ways)
    assert list(request(controls=False).iterate_fallbacks()) == []


def test_waiting_grows_and_is_bounded():
    rng = random.Random(0)
    waits = [draw_backoff(tries, rng) for tries in range(1, 100)]
    assert 0.25 <= waits[0] <= 0.75 and 0.5 <= waits[1] <= 1.5
    assert max(waits) <= 90


def test_the_pace_halves_once_for_a_burst_and_climbs_again():
    limiter = AimdLimiter(100)
    for _ in range(200):
        limiter.record_success()
    assert limiter.limit == 100
    for sent in (5.0, 5.1, 5.2):  # all sent before the first refusal came back
        limiter.record_rate_limit(sent, 6.0)
    assert limiter.limit == 50
    limiter.record_rate_limit(6.5, 7.0)
    assert limiter.limit == 25
    limiter.record_success()
    assert 25 < limiter.limit <= 25.05, "beyond the last limit that held it climbs slowly"
    for sent in range(8, 88, 2):
        limiter.record_rate_limit(sent, sent + 1)
    assert limiter.limit == 1
    with pytest.raises(ValueError, match="at least 1, got 0"):
        AimdLimiter(0)
