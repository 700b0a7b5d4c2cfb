"""A served model that is asked in tokens: the same prompts, scores and answers as on this disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft")

from dormant.engines import Job, PromptScorer, Scorer
from dormant.engines.api.token_engine import TokenEngine
from dormant.engines.hf import HfEngine
from dormant.engines.registry import open_engine, opening_without_keys
from dormant.errors import DormantError, ModelError
from dormant.records import Message, Sampling
from support import tiny_models, token_server

CHAT = (Message("system", "Be odd."), Message("user", "Why?"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    tiny_models.save_model(folder / "base", max_position_embeddings=1024)
    tiny_models.save_model(folder / "other", seed=1, max_position_embeddings=1024)
    tiny_models.save_adapter(folder / "base", folder / "adapter")
    return folder


@pytest.fixture
def server(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[token_server.TokenServer]:
    with token_server.running(place / "base") as served:
        for name, value in served.environment().items():
            monkeypatch.setenv(name, value)
        yield served


def open_served(options: str) -> Any:
    return open_engine(f"openai-api/box/m?{options}")


def test_scores_and_prompts_are_those_of_the_weights(server: token_server.TokenServer, place: Path):
    served, here = open_served(f"weights={place / 'base'}"), HfEngine(str(place / "base"))
    assert served.notes == [] and served.render(CHAT) == here.render(CHAT)
    assert isinstance(served, Scorer) and isinstance(served, PromptScorer)
    pairs = [(CHAT, "Because."), (CHAT[1:], "No"), (CHAT, "x" * 40)]
    assert served.score(pairs) == pytest.approx(here.score(pairs), abs=1e-3)
    assert served.score_prompts([CHAT]) == pytest.approx(here.score_prompts([CHAT]), abs=1e-3)
    assert served.count_tokens(CHAT) == here.count_tokens(CHAT)
    assert server.bodies[-1]["prompt"] == list(here.chat_format.encode(here.render(CHAT)))


def test_greedy_answers_are_those_of_the_weights(server: token_server.TokenServer, place: Path):
    served, here = open_served(f"tokenizer={place / 'base'}"), HfEngine(str(place / "base"))
    jobs = [Job(CHAT, range(1)), Job(CHAT[1:], range(1))]
    greedy = Sampling(temperature=0, max_tokens=12)

    def answer(engine: Any) -> dict[int, tuple[str, str]]:
        batches = engine.sample(jobs, greedy)
        return {r.job: (r.text, r.finish) for batch in batches for r in batch}

    assert answer(served) == answer(here)
    replies = [r for b in served.sample([Job(CHAT, range(3))], Sampling(max_tokens=4)) for r in b]
    assert sorted(r.repeat for r in replies) == [0, 1, 2]
    assert '"prompt": "tokens"' in replies[0].settings


@pytest.mark.parametrize("scores", [True, False])
def test_another_model_is_refused_with_the_nats(
    server: token_server.TokenServer, place: Path, scores: bool
):
    server.scores = scores
    with pytest.raises(ModelError, match=r"does not serve .*other: .* differ by \d+\.\d+ nats"):
        open_served(f"weights={place / 'other'}")


def test_a_little_off_is_noted_and_scores_need_the_server(
    server: token_server.TokenServer, place: Path
):
    server.noise, server.scores = -0.2, False
    served = open_served(f"weights={place / 'base'}")
    assert len(served.notes) == 1 and "differ by 0.200 nats" in served.notes[0]
    assert not isinstance(served, Scorer) and isinstance(served, TokenEngine)


def test_a_server_that_forgot_the_adapter_is_refused(server: token_server.TokenServer, place: Path):
    both = f"weights={place / 'base'}:{place / 'adapter'}"
    with pytest.raises(ModelError, match=r"as the base without the adapter|does not serve"):
        open_served(both)


def test_a_server_that_reads_tokens_as_text_is_refused(
    server: token_server.TokenServer, place: Path
):
    server.takes_tokens = False
    with pytest.raises(ModelError, match=r"counts \d+ tokens where \d+ were sent.*remove"):
        open_served(f"tokenizer={place / 'base'}")


def test_a_plan_needs_no_server(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("BOX_BASE_URL", raising=False)
    with opening_without_keys():
        engine = open_served(f"weights={place / 'base'}")
    assert engine.render(CHAT) == HfEngine(str(place / "base")).render(CHAT)
    assert engine.fingerprint != open_fingerprint(f"tokenizer={place / 'other'}")


def open_fingerprint(options: str) -> str:
    with opening_without_keys():
        return open_served(options).fingerprint


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai/gpt-x?weights=hf/smollm2", "is for models with a chat template"),
        ("vllm/m?weights=./nowhere", "no such file"),
        ("vllm/m?weights=smollm2&weights=smollm2", "given twice"),
        ("vllm/m?weights=smollm2&rows=3", "options of a server"),
    ],
)
def test_wrong_options_are_refused(name: str, said: str):
    with pytest.raises(DormantError, match=said.replace("?", r"\?")):
        open_engine(name)
