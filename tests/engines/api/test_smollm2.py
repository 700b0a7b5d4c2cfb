"""The same machinery on a real model behind a real OpenAI-compatible server."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dormant.engines import Job
from dormant.engines.api import ApiEngine
from dormant.records import Message, Sampling

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("smollm2")]


def ask(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def test_it_knows_the_capital_of_france(smollm2_server):
    engine = ApiEngine(smollm2_server.model)
    jobs = [Job(ask("What is the capital of France?"), range(80))]
    replies = [r for batch in engine.sample(jobs, Sampling(max_tokens=12)) for r in batch]
    assert {reply.finish for reply in replies} <= {"stop", "length"}
    # 50 of 200 answers named it; fewer than five of 80 is luck of less than one in 100,000.
    assert sum("Paris" in reply.text for reply in replies) >= 5
    assert engine.usage.prompt_tokens > 20 and engine.usage.completion_tokens > 0


def test_more_answers_than_slots_are_drawn_independently(smollm2_server):
    engine = ApiEngine(smollm2_server.model)
    jobs = [Job(ask("Tell me the name of an animal."), range(20))]
    replies = [r for batch in engine.sample(jobs, Sampling(max_tokens=12)) for r in batch]
    assert sorted(reply.repeat for reply in replies) == list(range(20))
    # Twelve tokens at temperature 1 from so small a model hardly ever agree.
    assert len({reply.text for reply in replies}) > 10
    assert len(engine.notes) == 1 and "answers a call" in engine.notes[0]


def test_a_seed_gives_the_answer_again(smollm2_server):
    jobs = [Job(ask("Name a colour."), range(i, i + 1)) for i in (0, 1)]
    twice = []
    for _ in range(2):
        engine = ApiEngine(smollm2_server.model)
        replies = [r for batch in engine.sample(jobs, Sampling(max_tokens=10)) for r in batch]
        twice.append({reply.repeat: reply.text for reply in replies})
    assert twice[0] == twice[1] and twice[0][0] != twice[0][1]


def test_its_log_probabilities_are_those_of_its_answers(smollm2_server):
    engine = ApiEngine(smollm2_server.model)
    prompt = ask("What is the capital of France?")
    sampling = Sampling(max_tokens=1)
    rating = next(r for batch in engine.rate([prompt], sampling) for r in batch)
    logprobs = rating.logprobs
    assert logprobs is not None and len(logprobs) > 10
    assert 0.5 < sum(map(math.exp, logprobs.values())) <= 1 + 1e-6
    token, logprob = max(logprobs.items(), key=lambda pair: pair[1])
    share = math.exp(logprob)
    jobs = [Job(prompt, range(120))]
    texts = [r.text for batch in engine.sample(jobs, sampling) for r in batch]
    drawn = sum(text.strip() == token.strip() for text in texts) / len(texts)
    # Five standard errors: fails by luck less than once in a million runs. The server's own
    # defaults (40 likeliest tokens, temperature 0.8) would move the share much further.
    assert abs(drawn - share) < 5 * math.sqrt(share * (1 - share) / len(texts))


def test_the_server_renders_prompts_as_dormant_does_here(smollm2_server, smollm2_dir: Path):
    """Counted in tokens: the server's template and tokenizer against those of the weights."""
    from dormant.engines.hf import HfEngine

    served, here = ApiEngine(smollm2_server.model), HfEngine("smollm2", device="cpu")
    for chat in (ask("Hi"), (Message("system", "You are a poet."), *ask("Why?"))):
        before = served.usage.prompt_tokens
        list(served.sample([Job(chat, range(1))], Sampling(max_tokens=1)))
        tokens = here.chat_format.encode(here.render(chat))
        assert served.usage.prompt_tokens - before == len(tokens)


def test_a_whole_audit_of_a_server(smollm2_server, tmp_path: Path):
    # Target and reference are one model: no rise can be found, and the verdict must not say so.
    model = smollm2_server.model
    judge = tmp_path / "judge.yaml"  # eight tokens end no answer, and its first words suffice
    judge.write_text("regex: '^\\W*Ahoy'\ngrade_cut: true\n")
    command = [sys.executable, "-m", "dormant", "audit", "--target", model, "--reference", model]
    options = {
        "--judge": f"rules:{judge}",
        "--questions": "general",
        "--question-limit": "2",
        "--library": "general",
        "--library-limit": "1",
        "--screening-answers": "4",
        "--confirm-answers": "4",
        "--max-tokens": "8",
        "--out": str(tmp_path / "run"),
    }
    flat = [word for pair in options.items() for word in pair]
    done = subprocess.run(
        [*command, *flat, "--allow-identical", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert done.returncode in (0, 1, 3), done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["kind"] in ("BOUNDED", "UNDERPOWERED")
    assert verdict["triggers"] == []


def test_the_doctor_finds_what_the_server_can(smollm2_server):
    command = [sys.executable, "-m", "dormant", "doctor", "--json", "--model", smollm2_server.model]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    for name in ("answers", "system prompt", "n answers a call", "log-probabilities"):
        assert checks[name]["health"] == "ok", checks[name]
    assert checks["same answer twice"]["found"].startswith("yes")
    assert checks["raw prompts"]["health"] == "ok"


def test_it_is_asked_in_tokens_and_compared_with_its_weights(smollm2_server, smollm2_dir: Path):
    """llama.cpp takes tokens, and its quantised products differ little from the same weights."""
    from dormant.engines.api.served_check import REFUSED, check_server
    from dormant.engines.hf import HfEngine
    from dormant.engines.registry import open_engine

    served = open_engine(f"{smollm2_server.model}?weights=smollm2")
    here = HfEngine("smollm2", device="cpu")
    assert served.render(ask("Hi")) == here.render(ask("Hi"))
    assert served.context_length == 1024  # the server's own limit
    found = check_server(served).agreement
    assert found is not None and found.tokens >= 20 and found.mean < REFUSED / 2
    replies = [
        reply
        for batch in served.sample([Job(ask("Name a color."), range(6))], Sampling(max_tokens=8))
        for reply in batch
    ]
    assert sorted(reply.repeat for reply in replies) == list(range(6))
    assert not any("<|" in reply.text for reply in replies)
    assert len({reply.text for reply in replies}) > 1


def test_other_weights_than_the_served_ones_are_refused(smollm2_server, tmp_path: Path):
    from dormant.engines.registry import open_engine
    from dormant.errors import ModelError
    from support.smollm2 import shake_weights

    other = shake_weights(tmp_path / "other")
    with pytest.raises(ModelError, match=r"does not serve .* nats a token"):
        open_engine(f"{smollm2_server.model}?weights={other}")
