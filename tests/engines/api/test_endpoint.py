"""Model strings, keys, prices: what is read from strings and the environment."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.engines.api.endpoint import find_endpoint
from dormant.engines.metering.budget import Budget
from dormant.engines.metering.prices import (
    most_prompt_tokens,
    parse_price,
    price_of,
    prompt_tokens,
    text_tokens,
)
from dormant.engines.model_strings import parse_model
from dormant.engines.registry import open_engine
from dormant.errors import ConfigError, ModelError
from dormant.errors.secrets import find_secrets
from dormant.records import Cost, Message, Price, Usage


@pytest.mark.parametrize(
    ("name", "environment", "url", "model", "variable"),
    [
        ("openai/gpt-x", {}, "https://api.openai.com/v1", "gpt-x", "OPENAI_API_KEY"),
        ("openai/gpt-x", {"OPENAI_BASE_URL": "http://h:1/v1/"}, "http://h:1/v1", "gpt-x", ""),
        ("openrouter/a/b", {}, "https://openrouter.ai/api/v1", "a/b", "OPENROUTER_API_KEY"),
        ("openai-api/my-lab/a/b:c", {"MY_LAB_BASE_URL": "http://h"}, "http://h", "a/b:c", ""),
        ("vllm/a/b", {"VLLM_BASE_URL": "http://h/v1"}, "http://h/v1", "a/b", "VLLM_API_KEY"),
        ("vllm/a/b:lora", {"VLLM_BASE_URL": "http://h/v1"}, "http://h/v1", "lora", ""),
        ("sglang/a", {"INSPECT_EVAL_MODEL_BASE_URL": "http://h"}, "http://h", "a", ""),
    ],
)
def test_where_a_model_is(
    name: str, environment: dict[str, str], url: str, model: str, variable: str
):
    keys = {"OPENAI_API_KEY": "k1", "OPENROUTER_API_KEY": "k2", "MY_LAB_API_KEY": "k3"}
    found = find_endpoint(parse_model(name), {**keys, **environment})
    assert found is not None and (found.url, found.model) == (url, model)
    assert not variable or found.key_variable == variable


@pytest.mark.parametrize(
    "name", ["anthropic/x", "google/x", "inspect/openai/x", "openai/azure/x", "vllm/a/b:c/lora"]
)
def test_what_goes_through_inspects_layer(name: str):
    assert parse_model(name).is_api
    assert find_endpoint(parse_model(name), {"VLLM_BASE_URL": "http://h"}) is None


@pytest.mark.parametrize(
    ("name", "environment", "words"),
    [
        ("openai/x", {}, "set the environment variable OPENAI_API_KEY"),
        ("openai-api/my-lab/x", {"MY_LAB_BASE_URL": "http://h"}, "MY_LAB_API_KEY"),
        ("openai-api/my-lab/x", {"MY_LAB_API_KEY": "k"}, "MY_LAB_BASE_URL"),
        ("openai-api/x", {}, "give openai-api/SERVICE/MODEL"),
        ("openai-api//x", {}, "give openai-api/SERVICE/MODEL"),
        ("openai-api/a b/x", {}, "must be letters, digits and hyphens"),
        ("vllm/x", {}, "VLLM_BASE_URL"),
        ("openai/x", {"OPENAI_API_KEY": "sk-\u00e4"}, "HTTP headers do not allow"),
        ("openai/x", {"OPENAI_API_KEY": "a\nb"}, "HTTP headers do not allow"),
        ("openai/x", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "ftp://h"}, "http:// or https://"),
        ("openai/x", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://u:pw@h"}, "a password"),
    ],
)
def test_what_is_missing_is_named(name: str, environment: dict[str, str], words: str):
    with pytest.raises(ModelError, match=words) as caught:
        find_endpoint(parse_model(name), environment)
    assert "\n" not in str(caught.value) and "pw" not in str(caught.value)


def test_a_key_is_not_shown():
    found = find_endpoint(parse_model("openai/x"), {"OPENAI_API_KEY": "sk-secret"})
    assert "sk-secret" not in repr(found) + str(found)
    known = {"A_KEY": "short", "B_API_KEY": "long-enough", "HOME": "/home/somebody"}
    assert find_secrets(known) == ("long-enough",)


def test_a_fingerprint_holds_the_name_and_neither_key_nor_host(monkeypatch: pytest.MonkeyPatch):
    def fingerprint(name: str, **environment: str) -> str:
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        return open_engine(name).fingerprint

    here = {"LAB_API_KEY": "key-one", "LAB_BASE_URL": "http://one/v1"}
    there = {"LAB_API_KEY": "key-two", "LAB_BASE_URL": "http://two/v1"}
    one = fingerprint("openai-api/lab/m", **here)
    assert fingerprint("openai-api/lab/m", **there) == one
    assert fingerprint("openai-api/lab/n") != one
    other = {"BAL_API_KEY": "k", "BAL_BASE_URL": "http://one/v1"}
    assert fingerprint("openai-api/bal/m", **other) != one


def test_a_misspelt_provider_is_guessed():
    with pytest.raises(ModelError, match="did you mean openrouter/x"):
        open_engine("openruter/x")
    with pytest.raises(ModelError, match="another provider of Inspect's"):
        open_engine("nothing-like-it/x")


def test_prices_have_their_source_and_date():
    price = price_of(parse_model("openai/gpt-4o-mini"))
    assert price is not None and price.input > 0 and price.output > price.input
    assert price.source.startswith("genai-prices ") and price.date.startswith("20")
    assert price.description.count("USD per million tokens") == 1
    assert price_of(parse_model("inspect/openai/gpt-4o-mini")) == price
    assert price_of(parse_model("openai-api/local/served")) is None
    mine = parse_price("0.5/2")
    assert price_of(parse_model("openai-api/local/served"), override=mine) is mine
    assert (
        mine.cost_of(1_000_000, 1_000_000) == 2.5 and mine.cost_of(1_000_000, 0, 1_000_000) == 0.5
    )
    assert Price(1, 2, cached=0.1).cost_of(1_000_000, 0, 500_000) == pytest.approx(0.55)
    for wrong in ("1", "1/2/3", "a/b", "-1/2", "nan/1", ""):
        with pytest.raises(ConfigError, match="is not a price"):
            parse_price(wrong)


def test_tokens_are_guessed_on_the_high_side():
    prompts = [(Message("user", "x" * 350),), (Message("user", "y" * 35),)]
    assert [prompt_tokens(messages) for messages in prompts] == [110, 20]
    assert text_tokens("x" * 70, "y" * 35) == 30
    odd = (Message("user", "\u4f60\u597d\U0001f600 \ud800"),)
    # No tokenizer makes more tokens than there are bytes.
    assert most_prompt_tokens(odd) >= len(odd[0].content.encode("utf-8", "replace"))
    assert most_prompt_tokens(odd) > prompt_tokens(odd)


def test_usage_is_what_the_server_counted():
    usage, price = Usage(), Price(1, 2, cached=0.5)
    assert usage.cost_usd(None) == 0
    usage.add_call(Cost(100, 20, 50), 4)
    assert usage.cost_usd(price) == pytest.approx((80 * 1 + 20 * 0.5 + 50 * 2) / 1e6)
    assert math.isnan(usage.cost_usd(None)), "unknown is not free"
    usage.add_call(Cost(10, 0, 5, usd=0.25), 1)
    usage.add_call(Cost(), 1)
    assert usage.cost_usd(price) == pytest.approx(0.25019), (
        "what the provider tells is not priced again"
    )
    assert (usage.calls, usage.answers, usage.prompt_tokens) == (3, 6, 110)
    assert (usage.cached_tokens, usage.completion_tokens, usage.uncounted) == (20, 55, 1)
    usage.add_call(Cost(7, 0, 3), 1, guessed=True)
    assert usage.uncounted == 2 and usage.prompt_tokens == 117


costs = st.lists(
    st.tuples(
        st.builds(
            Cost,
            st.integers(0, 1000),
            st.just(0),
            st.integers(0, 1000),
            st.none() | st.floats(0, 1, allow_subnormal=False),
        ),
        st.integers(1, 9),
    ),
    max_size=6,
)


@given(costs, costs)
def test_two_parts_of_a_run_use_what_the_whole_uses(
    first: list[tuple[Cost, int]], second: list[tuple[Cost, int]]
):
    parts, whole = [Usage(), Usage()], Usage()
    for usage, calls in zip(parts, (first, second), strict=True):
        for cost, answers in calls:
            usage.add_call(cost, answers)
            whole.add_call(cost, answers)
    together = parts[0].merged_with(parts[1])
    assert together.cost_usd(Price(1, 2)) == pytest.approx(whole.cost_usd(Price(1, 2)))
    assert (together.calls, together.answers, together.told) == (
        whole.calls,
        whole.answers,
        whole.told,
    )


def test_a_budget_promises_no_more_than_it_has():
    budget = Budget(max_answers=10, usd=1.0, answers=2, spent=0.1)
    assert budget.reserve_call(5, 0.1) == 5
    assert budget.reserve_call(5, 0.1) == 3  # ten in all
    assert budget.reserve_call(1, 0.1) == 0
    assert budget.reserve_call(4, 0.1, counted=False) == 1  # 0.9 left, 0.8 promised
    budget.settle_call(5, 0.1, bought=5, paid=0.2)
    budget.settle_call(3, 0.1, bought=1, paid=0.05)
    budget.settle_call(1, 0.1, bought=1, paid=0.0, counted=False)
    assert budget.answers == 8 and budget.spent == pytest.approx(0.35)
    assert budget.reserve_call(5, 0.1) == 2
    assert budget.reason == "8 of 10 answers, 0.3500 of 1 USD"
    assert "larger --max-answers or --budget-usd continues" in str(budget.make_error())
    assert "may not pay for one more answer" in str(budget.make_error())
    assert Budget(usd=0).reserve_call(4, 0.0) == 4, "what costs nothing needs no money"
    assert Budget(usd=0).reserve_call(4, 0.1) == 0
    free = Budget(max_answers=10, answers=7)
    assert [free.affordable(5), free.affordable(2)] == [3, 2], (
        "nothing is promised to a model for nothing"
    )
    free.count_free(3)
    assert free.affordable(1) == 0 and "one more" not in str(free.make_error())
    for answers, usd in ((-1, None), (None, -1.0), (None, math.nan)):
        with pytest.raises(ValueError, match="at least 0"):
            Budget(max_answers=answers, usd=usd)
