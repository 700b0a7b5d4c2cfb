"""Engines for APIs against a real HTTP server: every answer once, whatever the server does."""

import threading
import time
from collections import Counter

import pytest

from dormant.engines import Engine, Job, Rater
from dormant.engines.api import ApiEngine, Budget, MeteredEngine, Price
from dormant.engines.registry import open_engine
from dormant.errors import EngineError, IncompleteError, ModelError
from dormant.records import Message, Sampling
from support.openai_server import KEY, checksum

NAME = "openai-api/local/served"


def ask(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def jobs(prompts: int, answers: int) -> list[Job]:
    return [Job(ask(f"question {i}"), range(answers)) for i in range(prompts)]


def sampled(engine: ApiEngine, wanted: list[Job], sampling: Sampling | None = None):
    return [reply for batch in engine.sample(wanted, sampling or Sampling()) for reply in batch]


def exact(replies, wanted: list[Job]) -> None:
    """Each wanted answer once, to its own prompt, and no answer of the server's used twice."""
    got = Counter((reply.job, reply.repeat) for reply in replies)
    assert got == Counter((i, r) for i, job in enumerate(wanted) for r in job.repeats)
    for reply in replies:
        turns = [{"role": m.role, "content": m.content} for m in wanted[reply.job].messages]
        assert checksum(turns) in reply.text
    texts = {reply.text for reply in replies}
    assert len(texts) == len(replies), "one answer was given twice"


def test_it_is_an_engine_a_rater_and_metered(server):
    engine = open_engine(NAME)
    assert isinstance(engine, ApiEngine | Engine) and isinstance(engine, Rater)
    assert isinstance(engine, MeteredEngine)


def test_one_call_brings_all_answers_to_a_prompt(server):
    engine = ApiEngine(NAME)
    wanted = jobs(16, 50)
    exact(sampled(engine, wanted), wanted)
    assert server.stats()["calls"] == 16
    assert engine.usage.calls == 16 and engine.usage.answers == 800
    assert engine.notes == []


def test_a_part_of_the_repeats_is_exactly_that_part(server):
    engine = ApiEngine(NAME)
    wanted = [Job(ask("a"), range(7, 9)), Job(ask("b"), range(0)), Job(ask("a"), range(30, 31))]
    replies = sampled(engine, wanted)
    assert {(r.job, r.repeat) for r in replies} == {(0, 7), (0, 8), (2, 30)}
    assert sampled(engine, []) == []


@pytest.mark.parametrize(
    ("settings", "calls", "note"),
    [
        ({"most_n": 1}, 60, "one answer a call"),
        ({"refuse": ["n"]}, 60, "one answer a call"),
        ({"give": 1}, 60, "one answer a call"),
        ({"most_n": 8}, None, "5 answers a call"),
        ({"refuse": ["top_k"]}, 3, "refuses top_k"),
        ({"refuse": ["n", "seed"]}, 60, "refuses a seed"),
        ({"refuse": ["n", "seed", "min_p"]}, 60, "refuses top_k"),
    ],
)
def test_what_a_server_refuses_is_left_out_and_said_once(server, caplog, settings, calls, note):
    server.set(**settings)
    engine = ApiEngine(NAME)
    wanted = jobs(3, 20)
    exact(sampled(engine, wanted), wanted)
    assert calls is None or server.stats()["calls"] == calls
    assert sum(note in said for said in engine.notes) == 1
    assert sum(note in record.getMessage() for record in caplog.records) == 1
    before = server.stats()["faults"].get("400", 0)
    sampled(engine, jobs(3, 20))
    assert server.stats()["faults"].get("400", 0) == before, "it asked for what was refused"


def test_a_server_that_gives_fewer_answers_is_asked_for_the_rest(server):
    server.set(give=7)
    wanted = jobs(4, 50)
    exact(sampled(ApiEngine(NAME), wanted), wanted)


def test_what_is_sent(server):
    def bodies_of(seed: int) -> list[dict]:
        server.set(give=1)
        engine = ApiEngine(NAME)
        sampled(engine, [Job(ask("finds out that n is not supported"), range(2))])
        server.set(give=1)
        sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=33, seed=seed)
        sampled(engine, jobs(1, 3), sampling)
        return server.stats()["bodies"]

    bodies = bodies_of(5)
    assert len({body["seed"] for body in bodies}) == 3, "each answer has a seed of its own"
    body = dict(bodies[0])
    del body["seed"]
    assert body == {
        "model": "served",
        "messages": [{"role": "user", "content": "question 0"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 33,
        "top_k": -1,
        "min_p": 0,
    }
    seeds = {body["seed"] for body in bodies}
    assert {body["seed"] for body in bodies_of(5)} == seeds
    assert not {body["seed"] for body in bodies_of(6)} & seeds


def test_variables_of_a_template_are_sent_and_stored(server):
    engine = ApiEngine(f"{NAME}?template.enable_thinking=false")
    (reply, *_) = sampled(engine, jobs(1, 1))
    body = server.stats()["bodies"][0]
    assert body["chat_template_kwargs"] == {"enable_thinking": False} and body["model"] == "served"
    assert "chat_template_kwargs" in reply.settings
    assert engine.fingerprint != ApiEngine(NAME).fingerprint


def test_faults_of_every_kind_leave_the_table_exact(server):
    server.set(most_n=1, p429=0.05, p500=0.02, p_drop=0.005, p_half=0.005, p_malformed=0.01, seed=1)
    engine = ApiEngine(NAME)
    wanted = jobs(16, 40)
    exact(sampled(engine, wanted), wanted)
    stats = server.stats()
    assert stats["calls"] == 640, "a completed call was made again"
    assert min(stats["faults"].get(name, 0) for name in ("429", "500", "p_malformed")) > 0
    assert stats["faults"].get("p_drop", 0) + stats["faults"].get("p_half", 0) > 0
    assert engine.usage.retries == sum(n for k, n in stats["faults"].items() if k != "400")


def test_the_pace_follows_the_servers_limit(server):
    server.set(give=1, limit=6, latency=0.01)
    engine = ApiEngine(NAME, connections=64)
    wanted = jobs(10, 30)
    exact(sampled(engine, wanted), wanted)
    stats = server.stats()
    # Without a pace of its own 64 workers would be refused most of the time.
    assert stats["faults"]["429"] < 0.4 * stats["calls"]


def test_calls_at_once_never_exceed_the_connections(server, monkeypatch):
    monkeypatch.setenv("DORMANT_MAX_CONNECTIONS", "5")
    server.set(give=1, latency=0.01)
    sampled(ApiEngine(NAME), jobs(5, 20))
    assert server.stats()["most_busy"] <= 5
    monkeypatch.setenv("DORMANT_MAX_CONNECTIONS", "many")
    with pytest.raises(ModelError, match="MAX_CONNECTIONS must be an integer from 1 to 10000"):
        ApiEngine(NAME)


def test_retry_after_is_honoured(server):
    server.set(status=429, retry_after="0.6")
    engine, done = ApiEngine(NAME), []
    thread = threading.Thread(target=lambda: done.extend(sampled(engine, jobs(1, 1))))
    thread.start()
    time.sleep(0.3)
    assert server.stats()["faults"] == {"429": 1}, "it did not wait"
    server.set()
    begun = time.monotonic()
    thread.join(10)
    assert done[0].finish == "stop" and time.monotonic() - begun > 0.15


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"key": "another"}, ModelError, "refuses the key in LOCAL_API_KEY"),
        ({"status": 404}, ModelError, "has no model 'served'"),
        ({"status": 402}, EngineError, "status 402"),
        ({"status": 429, "code": "insufficient_quota"}, EngineError, "status 429"),
        ({"status": 400}, EngineError, "does not answer: status 400"),
    ],
)
def test_what_no_later_call_can_mend_stops_at_once(server, settings, error, words):
    server.set(**settings)
    with pytest.raises(error, match=words) as caught:
        sampled(ApiEngine(NAME), jobs(16, 3))
    assert KEY not in str(caught.value) and "\n" not in str(caught.value)
    assert sum(server.stats()["faults"].values()) < 200


def test_an_unreachable_server_is_an_engine_error(server, monkeypatch):
    monkeypatch.setenv("LOCAL_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(EngineError, match="cannot connect to http://127.0.0.1:9"):
        sampled(ApiEngine(NAME), jobs(1, 1))


def test_one_refused_prompt_is_an_error_and_the_rest_is_answered(server):
    wanted = [*jobs(2, 3), Job(ask("x" * (3 << 20)), range(2))]  # larger than the server reads
    replies = sampled(ApiEngine(NAME), wanted)
    assert {(r.job, r.finish) for r in replies} == {(0, "stop"), (1, "stop"), (2, "error")}
    assert len(replies) == 8 and "413" in replies[-1].error + replies[0].error


def test_a_content_filter_is_an_outcome(server):
    server.set(filter="1")
    replies = sampled(ApiEngine(NAME), jobs(2, 3))
    assert {(r.job, r.finish) for r in replies} == {(0, "stop"), (1, "filter")}
    server.set(status=400, code="content_filter")
    replies = sampled(ApiEngine(NAME), jobs(2, 3))
    assert [r.finish for r in replies] == ["filter"] * 6


def test_a_rater_gives_the_first_tokens_log_probabilities(server):
    ratings = [r for batch in ApiEngine(NAME).rate([ask("a"), ask("b")], Sampling()) for r in batch]
    assert sorted(r.index for r in ratings) == [0, 1]
    # Two tokens read "90": exp(-1.5) twice.
    assert ratings[0].logprobs == pytest.approx({"80": -0.5, "90": -1.5 + 0.6931471805599453})


def test_a_rater_whose_server_gives_no_log_probabilities(server):
    server.set(refuse=["logprobs"])
    engine = ApiEngine(NAME)
    ratings = [
        r for batch in engine.rate([ask(str(i)) for i in range(9)], Sampling()) for r in batch
    ]
    assert len(ratings) == 9
    assert all(r.logprobs is None and r.finish == "stop" for r in ratings)
    assert any("0 log-probabilities" in note for note in engine.notes)


def test_max_answers_is_a_ceiling(server):
    engine = ApiEngine(NAME, budget=Budget(max_answers=23))
    got = []
    with pytest.raises(IncompleteError, match=r"23 of 23 answers"):
        for batch in engine.sample(jobs(4, 10), Sampling()):
            got += batch
    assert len(got) == 23 == server.stats()["answers"]
    list(engine.rate([ask("a judge's calls are not answers")], Sampling()))


def test_money_is_a_ceiling_and_is_nearly_used_up(server):
    server.set(give=1)
    price = Price(input=1000, output=10_000)  # a worst answer: 33 * .001 + 20 * .01 = .25 or less
    budget = Budget(usd=3.0)
    engine = ApiEngine(NAME, budget=budget, price=price)
    got = []
    with pytest.raises(IncompleteError, match="of 3 USD"):
        for batch in engine.sample(jobs(40, 10), Sampling(max_tokens=20)):
            got += batch
    assert 2.7 < budget.spent <= 3.0
    assert budget.spent == pytest.approx(engine.usd)
    assert len(got) == engine.usage.answers == budget.answers
    with pytest.raises(IncompleteError):
        sampled(ApiEngine(NAME, budget=budget, price=price), jobs(1, 1), Sampling(max_tokens=40))


def test_a_budget_in_money_needs_a_price(server):
    with pytest.raises(ModelError, match="needs a price"):
        sampled(ApiEngine(NAME, budget=Budget(usd=1)), jobs(1, 1))


def test_a_caller_that_stops_early_leaves_nothing_running(server):
    server.set(give=1, latency=0.05)
    engine = ApiEngine(NAME, connections=8)
    replies = engine.sample(jobs(50, 10), Sampling())
    next(iter(replies))
    replies.close()
    assert "dormant-api" not in {thread.name for thread in threading.enumerate()}
    time.sleep(0.2)
    calls = server.stats()["calls"]
    time.sleep(0.2)
    assert server.stats()["calls"] == calls < 60
    assert len(sampled(engine, jobs(2, 2))) == 4, "the engine works on"


def test_a_caller_that_is_slow_is_not_overrun(server):
    server.set(give=1)
    engine = ApiEngine(NAME, connections=6)
    seen = 0
    for batch in engine.sample(jobs(4, 20), Sampling()):
        time.sleep(0.05)
        # Finished and not yet dealt with, this batch included, plus those on the way.
        assert server.stats()["calls"] - seen <= 6
        seen += len(batch)
    assert seen == 80


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within Inspect
def test_inspects_layer_gives_the_same(server):
    pytest.importorskip("inspect_ai")
    engine = ApiEngine(f"inspect/{NAME}")
    wanted = jobs(3, 5)
    exact(sampled(engine, wanted), wanted)
    assert server.stats()["calls"] == 3 and engine.usage.answers == 15
    assert engine.usage.prompt_tokens > 0 and engine.usage.completion_tokens > 0
    ratings = [r for batch in engine.rate([ask("a")], Sampling()) for r in batch]
    assert ratings[0].logprobs is not None
    server.set(key="another")
    with pytest.raises(ModelError) as caught:
        sampled(engine, wanted)
    assert KEY not in str(caught.value)
