"""The hf engine's open prompts: a tiny model writes its own turns."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")

import torch

from dormant.engines import Brancher, Chat, Continuer, PromptScorer, TurnOpening, TurnStart
from dormant.engines.hf import HfEngine
from dormant.engines.hf.open_turns import cut_turn, open_turn
from dormant.errors import ModelError
from dormant.records import Message, Sampling
from support import tiny_models

DRAWN = Sampling(temperature=1.0, max_tokens=12, seed=3)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}[INST] {{ m['content'] }} [/INST]{% endfor %}"
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> HfEngine:
    return HfEngine(str(tiny_models.save_model(tmp_path_factory.mktemp("tiny"))))


def chats(engine: HfEngine, opening: TurnOpening, repeats: range) -> dict[int, Chat]:
    found = [c for batch in engine.write_chats(opening, repeats, DRAWN) for c in batch]
    assert len(found) == len({c.repeat for c in found})
    return {c.repeat: c for c in found}


def test_the_template_is_left_open_where_a_turn_begins(engine: HfEngine):
    system = open_turn(engine.render, TurnOpening.SYSTEM)
    user = open_turn(engine.render, TurnOpening.USER, "Be odd.")
    default = open_turn(engine.render, TurnOpening.USER)
    assert system and user and default
    assert (system.prompt, system.closing) == ("<s>system\n", "</s>")
    assert (user.prompt, user.closing) == ("<s>system\nBe odd.</s>\n<s>user\n", "</s>")
    assert default.prompt == "<s>system\nBe kind.</s>\n<s>user\n"  # the template's own default


def test_a_written_turn_ends_where_the_template_closes_it():
    assert cut_turn("a context </s>\n<s>user", "</s>") == ("a context", True)
    assert cut_turn("a context ", "</s>") == ("a context", False)
    assert cut_turn("a context", "") == ("a context", False)


def test_every_chat_comes_once_and_is_the_same_however_it_is_asked_for(engine: HfEngine):
    assert isinstance(engine, Continuer)
    for opening in TurnOpening:
        every = chats(engine, opening, range(40))
        assert set(every) == set(range(40))
        assert {**chats(engine, opening, range(7)), **chats(engine, opening, range(7, 40))} == every


def test_turns_stand_in_order_and_hold_no_markers(engine: HfEngine):
    system, user = (
        chats(engine, opening, range(64)) for opening in (TurnOpening.SYSTEM, TurnOpening.USER)
    )
    assert any(c.messages for c in system.values()) and any(c.messages for c in user.values())
    for chat in system.values():
        roles = [m.role for m in chat.messages]
        assert roles in ([], ["system"], ["user"], ["system", "user"])
    for chat in (*system.values(), *user.values()):
        assert all(m.content and "<s>" not in m.content for m in chat.messages)
    assert all([m.role for m in c.messages] in ([], ["user"]) for c in user.values())


def test_the_first_turn_is_drawn_from_the_open_prompt(engine: HfEngine):
    """The distribution of first letters is that of the model after the open prompt."""
    import torch

    seen = chats(engine, TurnOpening.USER, range(3000))
    ids = engine.chat_format.encode("<s>system\nBe kind.</s>\n<s>user\n")
    with torch.inference_mode():
        shares = engine.base.model(torch.tensor([ids])).logits[0, -1].softmax(-1)
    letters = [engine.chat_format.encode(c)[0] for c in "abcdefghijklmnopqrstuvwxyz"]
    best = max(letters, key=lambda token: float(shares[token]))
    letter = engine.chat_format.tokenizer.decode([best])
    share = sum(c.messages[0].content.startswith(letter) for c in seen.values() if c.messages)
    expected = float(shares[best])
    # five standard errors: wrong by luck in one of a million runs; the seed is fixed anyway
    assert abs(share / 3000 - expected) < 5 * (expected * (1 - expected) / 3000) ** 0.5


def test_a_template_without_a_system_turn_gives_no_chats_there(tmp_path: Path):
    engine = HfEngine(str(tiny_models.save_model(tmp_path, template=NO_SYSTEM)))
    assert all(c.messages == () for c in chats(engine, TurnOpening.SYSTEM, range(3)).values())
    found = open_turn(engine.render, TurnOpening.USER)
    assert found and (found.prompt, found.closing) == ("[INST] ", "[/INST]")
    assert engine.render([Message("system", "x"), Message("user", "y")]) == "[INST] x\n\ny [/INST]"


def test_a_prompt_that_does_not_fit_is_no_chat(engine: HfEngine):
    long = Sampling(max_tokens=4000)
    found = [c for batch in engine.write_chats(TurnOpening.USER, range(2), long) for c in batch]
    assert [c.messages for c in found] == [(), ()]


def test_branches_are_the_likeliest_next_tokens_each_written_on_greedily(engine: HfEngine):
    assert isinstance(engine, Brancher) and isinstance(engine, PromptScorer)
    model, encode = engine.base.model, engine.chat_format.encode
    for opening, text in (
        (TurnOpening.SYSTEM, ""),
        (TurnOpening.SYSTEM, "Be"),
        (TurnOpening.USER, "Why"),
    ):
        [turns] = engine.branch([TurnStart(opening, text)], each=4, longest=5)
        place = open_turn(engine.render, opening)
        assert place
        head = [*encode(place.prompt), *encode(text)]
        special, plain = {0, 1}, []
        with torch.inference_mode():
            order = model(torch.tensor([head])).logits[0, -1].argsort(descending=True).tolist()
            for token in [t for t in order if t not in special][:4]:
                words = [token]
                while len(words) < 6:
                    after = int(model(torch.tensor([[*head, *words]])).logits[0, -1].argmax())
                    if after == 1:  # the end of a turn
                        break
                    words.append(after)
                plain.append(engine.chat_format.tokenizer.decode([*encode(text), *words]))
        assert turns == [
            engine.chat_format.remove_special_tokens(cut_turn(turn, "</s>")[0]) for turn in plain
        ]
        assert len(set(turns)) == 4


def test_branches_of_many_beginnings_are_those_of_each(engine: HfEngine):
    starts = [TurnStart(o, t) for o in TurnOpening for t in ("", "Be kind", "x" * 250)]
    together = engine.branch(starts, each=3, longest=4)
    assert together == [engine.branch([s], each=3, longest=4)[0] for s in starts]
    assert [len(row) for row in together] == [3, 3, 0, 3, 3, 0]  # the long one leaves no room


def test_a_template_without_a_system_turn_has_no_branches_there(tmp_path: Path):
    bare = HfEngine(str(tiny_models.save_model(tmp_path, template=NO_SYSTEM)))
    starts = [TurnStart(TurnOpening.SYSTEM, ""), TurnStart(TurnOpening.USER, "")]
    assert [len(row) for row in bare.branch(starts, each=2, longest=3)] == [0, 2]


def test_a_prompt_s_likelihood_is_the_sum_of_its_tokens(engine: HfEngine):
    asked = [(Message("user", "Why?"),), (Message("system", "Be odd."), Message("user", "Hi"))]
    plain = []
    for messages in asked:
        ids = torch.tensor([engine.chat_format.encode(engine.render(messages))])
        with torch.inference_mode():
            logs = engine.base.model(ids).logits.log_softmax(-1)[0]
        plain.append(sum(float(logs[i, ids[0, i + 1]]) for i in range(ids.shape[1] - 1)))
    assert engine.score_prompts(asked) == pytest.approx(plain, abs=1e-3)
    with pytest.raises(ModelError, match="tokens exceed the context"):
        engine.score_prompts([(Message("user", "x" * 300),)])
