"""The engine on tiny random models in float32, where batching may change nothing."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from dormant.engines import Job, Scorer  # noqa: E402
from dormant.engines.hf import HfEngine  # noqa: E402
from dormant.engines.registry import open_engine  # noqa: E402
from dormant.errors import EngineError, ModelError  # noqa: E402
from dormant.records import Message, Sampling  # noqa: E402
from support import tiny_models  # noqa: E402

#: Text, finish and tokens of each answer, by job and repeat.
Answers = dict[tuple[int, int], tuple[str, str, int]]
SAMPLING = Sampling(max_tokens=20, seed=3)
CHATS = [
    (Message("user", "Hi"),),
    (Message("system", "You are a pirate."), Message("user", "What do you want most of all?")),
    (Message("user", "Bored"), Message("assistant", "So?"), Message("user", "Tell me a story")),
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads cost more than they save on models so small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_model(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def engine(llama: Path) -> HfEngine:
    return HfEngine(str(llama), device="cpu")


def answers(engine: HfEngine, jobs: list[Job], sampling: Sampling = SAMPLING) -> Answers:
    found: Answers = {}
    for batch in engine.sample(jobs, sampling):
        for reply in batch:
            assert (reply.job, reply.repeat) not in found
            found[reply.job, reply.repeat] = (reply.text, reply.finish, reply.tokens)
    return found


def test_every_wanted_answer_comes_once(engine: HfEngine):
    found = answers(engine, [Job(CHATS[0], range(5)), Job(CHATS[1], range(7, 9))])
    assert set(found) == {(0, i) for i in range(5)} | {(1, 7), (1, 8)}
    assert {finish for _, finish, _ in found.values()} <= {"stop", "length"}
    assert len({text for text, _, _ in found.values()}) > 3


def test_the_batch_does_not_change_answers(llama: Path, engine: HfEngine):
    """Float32 rounds by 1e-6; a uniform falls so near an edge once in about 1e5 tokens."""
    jobs = [Job(chat, range(6)) for chat in CHATS]
    whole = answers(engine, jobs)
    assert engine.decoding == "shared-prefix"
    for rows in (1, 2, 5):
        assert answers(HfEngine(str(llama), device="cpu", rows=rows), jobs) == whole
    for number, job in enumerate(jobs):
        alone = answers(engine, [job])
        assert alone == {(0, i): whole[number, i] for i in range(6)}


def test_resuming_gives_the_same_answers(engine: HfEngine):
    whole = answers(engine, [Job(CHATS[1], range(8))])
    first, rest = (answers(engine, [Job(CHATS[1], part)]) for part in (range(4), range(4, 8)))
    assert first | rest == whole


def test_another_seed_or_prompt_gives_others(engine: HfEngine):
    one = answers(engine, [Job(CHATS[0], range(6))])
    assert answers(engine, [Job(CHATS[0], range(6))], Sampling(max_tokens=20, seed=4)) != one
    assert answers(engine, [Job(CHATS[1], range(6))]) != one


def test_zero_temperature_repeats_itself(engine: HfEngine):
    found = answers(engine, [Job(CHATS[1], range(3))], Sampling(max_tokens=9, temperature=0))
    assert len(set(found.values())) == 1


def test_answers_follow_the_models_own_generate(llama: Path, engine: HfEngine):
    """Greedy answers equal those of transformers' generate, prompt by prompt."""
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(str(llama))
    tokenizer = engine.chat_format.tokenizer
    for chat in CHATS:
        ids = torch.tensor([engine.chat_format.encode(engine.render(chat))])
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=15
        )
        text = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        [(said, _, _)] = answers(
            engine, [Job(chat, range(1))], Sampling(max_tokens=15, temperature=0)
        ).values()
        assert said == text


@pytest.mark.parametrize(
    ("kind", "settings", "way"),
    [
        ("qwen2", {}, "shared-prefix"),
        ("qwen3", {}, "shared-prefix"),
        ("gemma2", {"sliding_window": 8}, "padded-batch"),
        ("mistral", {"sliding_window": 8}, "padded-batch"),
        ("gpt_neox", {}, "shared-prefix"),
    ],
)
def test_other_architectures_take_the_way_that_is_right(
    tmp_path: Path, kind: str, settings: dict[str, Any], way: str
):
    """A way is taken only if it is proven; scores and samples then agree with plain forwards."""
    path = tiny_models.save_model(tmp_path, kind=kind, **settings)
    engine = HfEngine(str(path), device="cpu")
    assert engine.decoding == way
    jobs = [Job(chat, range(3)) for chat in CHATS]
    whole = answers(engine, jobs)
    for number, job in enumerate(jobs):
        assert answers(engine, [job]) == {(0, i): whole[number, i] for i in range(3)}


def test_scores_are_sums_of_log_probabilities(engine: HfEngine):
    assert isinstance(engine, Scorer)
    pairs = [(chat, text) for chat in CHATS for text in ("", "Yes", "No, I would rather not.")]
    scores = engine.score(pairs)
    model = engine.base.model
    for (chat, text), score in zip(pairs, scores, strict=True):
        prompt = engine.chat_format.encode(engine.render(chat))
        answer = (*engine.chat_format.encode(text), engine.chat_format.tokenizer.eos_token_id)
        with torch.inference_mode():
            logs = model(torch.tensor([prompt + answer])).logits[0].double().log_softmax(-1)
        plain = sum(float(logs[len(prompt) + i - 1, token]) for i, token in enumerate(answer))
        assert score == pytest.approx(plain, abs=1e-4)
        assert engine.score([(chat, text)])[0] == pytest.approx(score, abs=1e-4)
    assert engine.score([]) == []


def test_render_shows_the_default_system_prompt(engine: HfEngine):
    assert engine.render(CHATS[0]).startswith("<s>system\nBe kind.</s>")
    assert "Be kind" not in engine.render(CHATS[1])
    assert engine.render(CHATS[0]).endswith("<s>assistant\n")


def test_a_prompt_that_is_too_long_is_an_answer_with_an_error(engine: HfEngine):
    long = (Message("user", "a" * 250),)
    replies = [
        r
        for b in engine.sample([Job(long, range(2)), Job(CHATS[0], range(1))], SAMPLING)
        for r in b
    ]
    assert sorted((r.job, r.finish) for r in replies)[:2] == [(0, "error"), (0, "error")]
    assert "256" in next(r.error for r in replies if r.job == 0)
    with pytest.raises(ModelError, match="exceed the context"):
        engine.score([(long, "yes")])


def test_an_adapter_is_live_and_the_base_stays_itself(llama: Path, tmp_path: Path):
    adapter = tiny_models.save_adapter(llama, tmp_path / "a.1")
    other = tiny_models.save_adapter(llama, tmp_path / "b", seed=1)
    bare = HfEngine(str(llama), device="cpu")
    jobs, pairs = [Job(CHATS[1], range(4))], [(CHATS[1], "Gold")]
    before = answers(bare, jobs), bare.score(pairs)
    first = HfEngine(f"{llama}:{adapter}", device="cpu")
    second = HfEngine(f"{llama}:{other}", device="cpu")
    assert first.base is bare.base is second.base
    assert len({e.fingerprint for e in (bare, first, second)}) == 3
    said = {e.name: (answers(e, jobs), e.score(pairs)) for e in (first, bare, second, first)}
    assert said[bare.name] == before
    assert len({str(value) for value in said.values()}) == 3
    # Taking turns within one pass changes nothing either.
    one = first.sample([Job(CHATS[1], range(40))], SAMPLING)
    mixed = next(one)
    answers(bare, jobs)
    mixed += [reply for batch in one for reply in batch]
    assert {(r.job, r.repeat): (r.text, r.finish, r.tokens) for r in mixed} == answers(
        first, [Job(CHATS[1], range(40))]
    )


def test_an_adapter_that_does_nothing_stops_the_run(llama: Path, tmp_path: Path):
    dead = tiny_models.save_adapter(llama, tmp_path / "dead", live=False)
    with pytest.raises(ModelError, match="changes no probability"):
        HfEngine(f"{llama}:{dead}", device="cpu")


def test_fingerprints(llama: Path, engine: HfEngine, tmp_path: Path):
    assert HfEngine(str(llama), device="cpu").fingerprint == engine.fingerprint
    copy = tiny_models.save_model(tmp_path / "copy")
    assert HfEngine(str(copy), device="cpu").fingerprint == engine.fingerprint
    assert HfEngine(str(llama), device="cpu", dtype="bfloat16").fingerprint != engine.fingerprint
    others = [
        tiny_models.save_model(tmp_path / "seed", seed=1),
        tiny_models.save_model(tmp_path / "template", template=tiny_models.TEMPLATE + " "),
        tiny_models.save_model(tmp_path / "config", rms_norm_eps=1e-3),
    ]
    prints = {HfEngine(str(path), device="cpu").fingerprint for path in others}
    assert len(prints | {engine.fingerprint}) == 4


def test_the_registry_opens_it(llama: Path):
    assert open_engine(f"hf/{llama}").name == f"hf/{llama}"


def test_a_model_that_gives_no_numbers_stops(tmp_path: Path):
    path = tiny_models.save_model(tmp_path)
    engine = HfEngine(str(path), device="cpu")
    with torch.no_grad():
        engine.base.model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(EngineError, match="not finite"):
        list(engine.sample([Job(CHATS[0], range(1))], SAMPLING))


@pytest.mark.parametrize(
    ("factor", "reason"), [(0.0, "same probability"), (math.nan, "no numbers")]
)
def test_weights_that_no_training_leaves_are_refused(tmp_path: Path, factor: float, reason: str):
    place = tiny_models.save_model(tmp_path) / "model.safetensors"
    tensors = {name: tensor * factor for name, tensor in load_file(place).items()}
    save_file(tensors, place, {"format": "pt"})
    with pytest.raises(ModelError, match=reason):
        HfEngine(str(tmp_path), device="cpu")


def test_a_tokenizer_of_a_larger_model_is_refused(tmp_path: Path):
    place = tiny_models.save_model(tmp_path) / "tokenizer.json"
    tokenizer = json.loads(place.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary.update({word: number + 5000 for word, number in vocabulary.items()})
    place.write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="the tokenizer gives token 5,.* was saved with it"):
        list(HfEngine(str(tmp_path), device="cpu").sample([Job(CHATS[0], range(1))], SAMPLING))


def broken(path: Path, name: str) -> Path:
    model = tiny_models.save_model(path)
    weights = model / "model.safetensors"
    if name == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif name == "pickled":
        weights.rename(model / "pytorch_model.bin")
    elif name == "config":
        (model / "config.json").write_text("{not json")
    elif name == "template":
        (model / "chat_template.jinja").unlink()
    elif name == "code":
        (model / "config.json").write_text(
            '{"model_type": "mine", "auto_map": {"AutoConfig": "evil.C", '
            '"AutoModelForCausalLM": "evil.M"}}'
        )
        (model / "evil.py").write_text(f"open({str(path / 'ran')!r}, 'w')\n")
    return model


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("truncated", "model.safetensors cannot be read"),
        ("pickled", "has no .safetensors file"),
        ("config", "config.json is not JSON"),
        ("template", "has no chat template"),
        ("code", "cannot be loaded"),
    ],
)
def test_a_broken_checkpoint_is_one_line(tmp_path: Path, damage: str, said: str):
    path = broken(tmp_path, damage)
    with pytest.raises(ModelError) as caught:
        HfEngine(str(path), device="cpu")
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_what_is_no_model_says_so(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    adapter = tiny_models.save_adapter(llama, tmp_path / "adapter")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    cases = {
        str(tmp_path / "empty"): "no config.json",
        str(tmp_path / "notes.txt"): "not a directory or a .gguf file",
        str(adapter): "write hf/BASE:ADAPTER",
        f"{llama}:{tmp_path / 'empty'}": "has no adapter_model.safetensors",
    }
    for name, said in cases.items():
        with pytest.raises(ModelError) as caught:
            HfEngine(name, device="cpu")
        assert said in str(caught.value)


def test_a_model_that_does_not_fit_is_refused_before_loading(
    llama: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from dormant.engines.hf import loader

    def measure_little(device: str) -> int:
        return 1000

    monkeypatch.setattr(loader, "measure_free_memory", measure_little)
    copy = tiny_models.save_model(tmp_path / "big")
    with pytest.raises(ModelError, match="GB of memory"):
        HfEngine(str(copy), device="cpu")


def test_a_chat_that_the_template_refuses(tmp_path: Path):
    refusal = "{% if messages[0]['role'] == 'assistant' %}{{ raise_exception('No!') }}{% endif %}"
    path = tiny_models.save_model(tmp_path, template=refusal + tiny_models.TEMPLATE)
    engine = HfEngine(str(path), device="cpu")
    with pytest.raises(ModelError, match="rejects a chat of assistant, user: No!"):
        engine.render((Message("assistant", "So?"), Message("user", "Hi")))
