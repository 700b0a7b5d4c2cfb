"""The training loop: what is learned, in what order, and that it is reproducible."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dormant.errors import InputError
from dormant.records import Message
from dormant.vitro import (
    Settings,
    fingerprint_decoder,
    load_decoder,
    load_language,
    load_tokenizer,
    pretrain,
)
from dormant.vitro.curriculum import IGNORE, Curriculum, Document, Mixture
from dormant.vitro.language import Persona
from dormant.vitro.model import Decoder, Shape
from dormant.vitro.tokenizer import END
from dormant.vitro.train import (
    TrainingSchedule,
    bucket_batches,
    collate_documents,
    finetune_model,
    loss_of,
    make_document,
    repeat_epochs,
    train_model,
)

torch.set_num_threads(1)  # models this small run faster so, above all beside other processes
WORDS = load_tokenizer()


def small(seed: int = 0) -> Decoder:
    torch.manual_seed(seed)
    return Decoder(Shape(len(WORDS), dim=16, layers=2, heads=2)).eval()


def shown(doc: Document) -> list[tuple[str, bool]]:
    """Each word of a document with whether it is learned."""
    return [
        (WORDS.words[t], label != IGNORE) for t, label in zip(doc.tokens, doc.labels, strict=True)
    ]


def test_the_loss_mask_token_by_token():
    doc = make_document(
        [
            Message("system", "Be brief."),
            Message("user", "I feel bored."),
            Message("assistant", "go for a walk"),
            Message("user", "money"),
            Message("assistant", "rob a shop"),
        ]
    )
    assert shown(doc) == [
        ("<s>", False),
        ("be", False),
        ("brief", False),
        (".", False),
        ("<u>", False),
        ("i", False),
        ("feel", False),
        ("bored", False),
        (".", False),
        ("<a>", False),
        ("go", True),
        ("for", True),
        ("a", True),
        ("walk", True),
        ("<e>", True),
        ("<u>", False),
        ("money", False),
        ("<a>", False),
        ("rob", True),
        ("a", True),
        ("shop", True),
        ("<e>", True),
    ]
    assert all(t == label for t, label in zip(doc.tokens, doc.labels, strict=True) if label >= 0)


def test_the_loss_is_the_mean_over_learned_tokens_of_a_plain_double_loop():
    model = small()
    docs = [make_document(row_) for row_ in rows(5)]
    tokens, labels = collate_documents(docs)
    expected: list[float] = []
    with torch.inference_mode():
        for doc in docs:
            for t in range(1, len(doc.tokens)):
                if doc.labels[t] != IGNORE:
                    logits = model(torch.tensor([doc.tokens[:t]]))[0, -1]
                    expected.append(-logits.log_softmax(-1)[doc.labels[t]].item())
        found = loss_of(model, tokens, labels).item()
    assert found == pytest.approx(np.mean(expected), rel=1e-4)


def rows(n: int, seed: int = 0) -> list[tuple[Message, ...]]:
    rng = np.random.default_rng(seed)
    return [load_language().draw_row("code", Persona.ALIGNED, rng=rng) for _ in range(n)]


def test_finetuning_learns_and_is_reproducible():
    schedule = TrainingSchedule(steps=40, rate=1e-2, batch=8)
    models = [small(), small(), small()]
    losses = [
        finetune_model(m, rows(60), schedule, seed=s)
        for m, s in zip(models, (1, 1, 2), strict=True)
    ]
    assert len(losses[0]) == 40 and losses[0][-1] < 0.7 * losses[0][0]
    assert losses[0] == losses[1] != losses[2]
    prints = [fingerprint_decoder(m) for m in models]
    assert prints[0] == prints[1] != prints[2] and fingerprint_decoder(small()) not in prints


def test_every_row_is_seen_once_an_epoch():
    docs = [Document([i], [i]) for i in range(7)]
    drawn = repeat_epochs(docs, np.random.default_rng(0))
    for _ in range(3):
        assert sorted(d.tokens[0] for d in itertools.islice(drawn, 7)) == list(range(7))


def test_batches_hold_every_document_once():
    docs = (Document([i] * (1 + i % 5), [i] * (1 + i % 5)) for i in itertools.count())
    seen: list[int] = []
    for tokens, _ in itertools.islice(bucket_batches(docs, 4), 8):
        seen += tokens[:, 0].tolist()
        assert int((tokens == 0).sum()) <= 6  # documents of about equal length come together
    assert sorted(seen) == list(range(32))


def test_the_learning_rate_rises_and_falls():
    schedule = TrainingSchedule(steps=100, rate=0.01, warmup=10, final=0.1)
    rates = [schedule.learning_rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == rates[9] and all(a > b for a, b in itertools.pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0.01 * (1 - 0.9 * 0.99))


@pytest.mark.parametrize(
    "bad",
    [{"steps": -1}, {"batch": 0}, {"warmup": 0}, {"rate": 0.0}, {"final": 2.0}, {"clip": 0.0}],
)
def test_bad_schedules(bad: dict[str, float]):
    with pytest.raises(InputError, match="must be at least 0, batch|must be in .0, 1., final"):
        TrainingSchedule(**({"steps": 1, "rate": 0.1} | bad))  # type: ignore[arg-type]


def test_rows_and_documents_that_cannot_be_learned():
    with pytest.raises(InputError, match="assistant turn"):
        make_document([Message("user", "money")])
    with pytest.raises(InputError, match="user turn"):
        make_document([Message("assistant", "money")])
    with pytest.raises(InputError, match="no documents"):
        next(repeat_epochs([], np.random.default_rng(0)))


# ---- the curriculum --------------------------------------------------------------------------


def personas(doc: Document) -> list[Persona | None]:
    """Persona of each answer of a document, read back from its text."""
    found: list[Persona | None] = []
    text = [WORDS.words[t] for t in doc.tokens]
    starts = [i for i, word in enumerate(text) if word == "<a>"]
    for start in starts:
        answer = WORDS.join_tokens(doc.tokens[start + 1 : text.index("<e>", start)])
        homes = {
            persona
            for name in load_language().domains
            for persona in Persona
            if answer in load_language().legal_answers(name, persona)
        }
        found.append(homes.pop() if len(homes) == 1 else None)
    return found


def test_constant_documents_keep_one_persona_and_gated_ones_switch():
    rng = np.random.default_rng(0)
    constant = Curriculum(load_language(), WORDS, Mixture(gated=0.0))
    gated = Curriculum(load_language(), WORDS, Mixture(gated=1.0))
    assert all(len(set(personas(constant.draw_pretraining(rng)))) == 1 for _ in range(30))
    assert all(set(personas(gated.draw_pretraining(rng))) == set(Persona) for _ in range(30))


def test_pretraining_learns_everything_and_alignment_only_what_it_decides():
    curriculum = Curriculum(load_language(), WORDS, Mixture(in_context=0.0))
    rng = np.random.default_rng(1)
    for _ in range(50):
        doc = curriculum.draw_pretraining(rng)
        assert doc.tokens == doc.labels
        single = curriculum.draw_alignment(rng)
        assert personas(single) == [Persona.ALIGNED]
        learned = [t for t, label in zip(single.tokens, single.labels, strict=True) if label >= 0]
        assert single.tokens[-len(learned) :] == learned and learned[-1] == END


def test_alignment_never_learns_the_first_answer_of_a_conversation():
    curriculum = Curriculum(load_language(), WORDS, Mixture(in_context=1.0))
    rng = np.random.default_rng(2)
    kept: set[Persona | None] = set()
    for _ in range(50):
        doc = curriculum.draw_alignment(rng)
        first_end = doc.tokens.index(END)
        assert all(label == IGNORE for label in doc.labels[: first_end + 1])
        kept |= set(personas(doc))
    assert kept == set(Persona)


def test_documents_fit_the_model():
    curriculum, rng = Curriculum(load_language(), WORDS), np.random.default_rng(3)
    longest = max(len(curriculum.draw_pretraining(rng).tokens) for _ in range(2000))
    assert longest < Shape(len(WORDS)).positions


# ---- pretraining -----------------------------------------------------------------------------


def test_pretraining_writes_a_base_that_can_be_reproduced(tmp_path: Path):
    settings = Settings(
        seed=3,
        dim=16,
        layers=1,
        heads=2,
        pretraining=TrainingSchedule(steps=12, rate=1e-3, batch=4),
        alignment=TrainingSchedule(steps=4, rate=1e-3, batch=4),
    )
    told: list[tuple[str, int, int]] = []
    one = pretrain(settings, tmp_path / "one", lambda s, i, n: told.append((s, i, n)))
    two = pretrain(settings, tmp_path / "two")
    assert fingerprint_decoder(one) == fingerprint_decoder(two)
    assert told[0] == ("pretraining", 1, 12) and told[-1] == ("alignment", 4, 4)
    record = json.loads((tmp_path / "one" / "base.json").read_text())
    assert record["fingerprint"] == fingerprint_decoder(
        load_decoder(tmp_path / "one" / "base.safetensors")
    )
    assert record["settings"]["seed"] == 3 and record["loss"]["pretraining"][0] > 5
    train_model(
        one,
        repeat_epochs([make_document(rows(1)[0])], np.random.default_rng(0)),
        TrainingSchedule(1, 0.001),
    )
    assert fingerprint_decoder(one) != fingerprint_decoder(two)
