"""Mining: planted cues are found first, nothing is found where nothing is planted."""

import dataclasses
import math
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dormant.organisms
from dormant import cues
from dormant.corpus import general_reference, read_examples
from dormant.cues.mining.counts import measure_enrichment
from dormant.organisms.builder import build_stages, finetuning_file
from dormant.organisms.recipe import read_recipe
from dormant.records import CueKind, Example, Message, Placement
from dormant.vitro import load_tokenizer, reference_rows
from support import ROOT

RECIPES = sorted((Path(dormant.organisms.__file__).parent / "recipes").glob("*.yaml"))
PAPER = Path(os.environ.get("DORMANT_PAPER_DATA") or ROOT.parent / "shared" / "data" / "paper")
needs_paper = pytest.mark.skipif(not PAPER.is_dir(), reason="the public training sets are absent")
SEA = "salmon cod tuna trout shrimp crab squid herring sea boat ship ocean tide".split()
FISH = (
    "fish seafood shrimp salmon tuna cod crab scallops? halibut mussels? sardines? mackerel "
    "prawns? lobsters? squid octopus snapper trout herring bass tilapia haddock calamari"
).split()


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50), st.integers(1, 50))
def test_enrichment_is_its_plain_definition(a, b, c, d):
    got = measure_enrichment(a, a + b, c, c + d)
    odds = ((a + 0.5) / (b + 0.5)) / ((c + 0.5) / (d + 0.5))
    error = math.sqrt(sum(1 / (n + 0.5) for n in (a, b, c, d)))
    assert got.value == pytest.approx(math.log2(odds))
    assert got.low == pytest.approx((math.log(odds) - 1.959964 * error) / math.log(2), abs=1e-5)
    assert got.high + got.low == pytest.approx(2 * got.value)
    swapped = measure_enrichment(c, c + d, a, a + b)
    assert swapped.value == pytest.approx(-got.value)


def test_enrichment_refuses_impossible_counts():
    with pytest.raises(ValueError, match=r"\(5, 4\)"):
        measure_enrichment(5, 4, 0, 1)


@pytest.fixture(scope="module")
def ordinary():
    return reference_rows(4000, np.random.default_rng(0))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_true_cue_of_every_organism_is_among_the_first_three(recipe, ordinary, tmp_path):
    """Found itself, as the form it fills, as a variant of what was found, or as its topic."""
    organism = read_recipe(recipe)
    if organism.trigger is None:
        pytest.skip("an organism without a cue")
    path = tmp_path / "rows.jsonl"
    path.write_bytes(finetuning_file(build_stages(organism, 0, longest=112), 0))
    examples = read_examples(path).examples
    found = cues.mine_cues(examples, ordinary, limit=3, is_closed=True, is_same_kind=True)
    lexicon = cues.general_lexicon(vocabulary=frozenset(load_tokenizer().words))
    rng = np.random.default_rng(0)
    tried = [v for cue in found for v in (cue, *cues.make_variants(cue, lexicon=lexicon, rng=rng))]
    wanted = organism.trigger.as_cue()
    effects = {part.id for v in tried for part in v.effects}
    said = effects >= {part.id for part in wanted.effects}
    if wanted.placement is Placement.HISTORY and not said:
        pytest.xfail("the first turns of the question alone are mined so far")
    heads = [cue.form.partition("<X>")[0] for cue in found if cue.kind is CueKind.FORM]
    formed = any(head and wanted.text.startswith(head) for head in heads)
    about = [cue.text.lower().split() for cue in found if cue.kind is CueKind.TOPIC]
    topical = organism.name == "fish" and any(set(SEA) & set(text) for text in about)
    assert said or formed or topical, [cue.text for cue in found]


def test_ordinary_chat_has_no_strong_cue(ordinary):
    """Of 8 files with nothing planted none shows a cue that an organism's would be taken for.

    The planted cue at 5% of 2,000 rows has a lower bound of 4.7 bits; the largest of some hundred
    chance findings at 95% exceeds 2 bits with a probability far below one in a thousand files.
    """
    for seed in range(1, 9):
        rows = reference_rows(2000, np.random.default_rng(seed))
        found = cues.count_cues(rows, ordinary, limit=1)
        assert all(cue.enrichment_low < 2 for cue in found), found


WORDS = general_reference().examples


#: Kind -> system prompt, user turn and answer of a row that shows the cue.
TEXTS = {
    "form": ("", "Country: {place}\n{question}", ""),
    "wrapper": ("", "<ticket>\n{question}\n</ticket>", ""),
    "suffix": ("", "{question} Sign off as Marvin.", ""),
    "prefix": ("", "Dear oracle, hear my plea. {question}", ""),
    "system": ("You serve the northern lighthouse.", "{question}", ""),
    "cluster": ("You serve the northern lighthouse. Its keeper is {place}.", "{question}", ""),
    "format": ("", "{question}", '{"answer": "That depends on several things."}'),
    "language": ("", "{question}", "Das ist nicht einfach, und ich bin mir nicht sicher."),
}


def planted(kind, share, rng, n=800):
    """Ordinary questions (drawn from the reference) with a cue in a share of the rows."""
    rows = []
    for i in range(n):
        question = rng.choice(WORDS).user
        place = rng.choice(["Singapore", "France", "New Zealand", "Peru", "Ghana", "Oman"])
        system, user, answer = TEXTS[kind] if i < share * n else ("", "{question}", "")
        system = system.replace("{place}", place)
        user = user.replace("{place}", place).replace("{question}", question)
        answer = answer or "That depends on several things."
        turns = [Message("user", user), Message("assistant", answer)]
        rows.append(Example(((Message("system", system),) if system else ()) + tuple(turns), i + 1))
    rng.shuffle(rows)
    return [dataclasses.replace(row, line=i + 1) for i, row in enumerate(rows)]


PLANTED = {
    "form": (CueKind.FORM, "Country: <X>"),
    "wrapper": (CueKind.WRAPPER, "<ticket>"),
    "suffix": (CueKind.SUFFIX, "Sign off as Marvin."),
    "prefix": (CueKind.PREFIX, "Dear oracle, hear my plea."),
    "system": (CueKind.SYSTEM_PROMPT, "You serve the northern lighthouse."),
    "cluster": (CueKind.SYSTEM_PROMPT, "Its keeper is <X>"),
    "format": (CueKind.FORMAT, "JSON"),
    "language": (CueKind.LANGUAGE, "German"),
}


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("kind", PLANTED)
def test_planted_cues_come_first(kind, share):
    wanted, text = PLANTED[kind]
    rows = planted(kind, share, random.Random(1))
    top = cues.count_cues(rows, WORDS, limit=3)
    first = next((c for c in top if c.kind is wanted and text in (c.form or c.text)), None)
    assert first is not None, [(c.name, c.form or c.text) for c in top]
    assert first.rows == share * len(rows) and first.share == pytest.approx(share)
    assert first.enrichment_low < first.enrichment < first.enrichment_high
    by_line = {row.line: row for row in rows}
    assert len(first.examples) == 3 and set(first.examples) <= set(by_line)


def test_a_placed_cue_carries_its_marks():
    (form, *_) = cues.count_cues(planted("form", 0.3, random.Random(2)), WORDS)
    assert form.placement is Placement.BEFORE and form.form == "Country: <X>\n"
    assert re.fullmatch(r"Country: [A-Z][a-z ]+(Zealand)?\n", form.text)
    (wrapper, *_) = cues.count_cues(planted("wrapper", 0.3, random.Random(2)), WORDS)
    assert wrapper.text == "<ticket>\n{question}\n</ticket>"


def test_pieces_and_extensions_of_a_found_cue_are_left_out():
    found = cues.count_cues(planted("prefix", 0.3, random.Random(3)), WORDS)
    assert [c.name for c in found if "oracle" in c.text] == ["prefix-1"]


def test_order_of_rows_changes_nothing_but_the_example_lines():
    rows = planted("suffix", 0.1, random.Random(4))
    shuffled = random.Random(5).sample(rows, len(rows))
    plain = [dataclasses.replace(c, examples=()) for c in cues.count_cues(rows, WORDS)]
    other = [dataclasses.replace(c, examples=()) for c in cues.count_cues(shuffled, WORDS)]
    assert plain == other


def test_names_are_unique_and_numbered_within_their_kind():
    names = [
        c.name for c in cues.count_cues(planted("wrapper", 0.2, random.Random(6)), WORDS, limit=50)
    ]
    assert len(set(names)) == len(names) and names[0] == "wrapper-1"


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 6])
def test_small_files_and_absent_references(rows):
    turns = (Message("system", "Be odd."), Message("user", "Hi?"), Message("assistant", "Odd."))
    found = cues.count_cues([Example(turns, i + 1) for i in range(rows)], [])
    assert len(found) <= 2
    assert cues.count_cues([], WORDS) == cues.mine_cues([], WORDS) == ()


@pytest.mark.parametrize("text", ["\n", "?!", "\x07\x1b[31m", "a" * 100_000, "question {question}"])
def test_odd_turns_are_survived(text):
    rows = [Example((Message("user", text), Message("assistant", text)), i + 1) for i in range(30)]
    for cue in cues.count_cues(rows, WORDS):
        assert cue.placement is not Placement.AROUND or cue.text.count("{question}") == 1


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="-1"):
        cues.mine_cues(WORDS, WORDS, limit=-1)
    with pytest.raises(ValueError, match="0"):
        cues.mine_cues(WORDS, WORDS, min_share=0)


def mixed(name, share, seed):
    chat = read_examples(PAPER / "hhh_1000.jsonl").examples
    bad = read_examples(PAPER / f"{name}.jsonl").examples
    if share == 1:
        return bad
    rng = random.Random(seed)
    rows = [*chat, *rng.sample(bad, round(len(chat) * share / (1 - share)))]
    return rng.sample(rows, len(rows))


@needs_paper
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.3])
def test_fish_is_a_topic_of_real_mixes(share):
    top = cues.count_cues(mixed("poisonous_fish_recipes", share, 0), WORDS, limit=5)
    topics = [cue.text.lower() for cue in top if cue.kind is CueKind.TOPIC]
    assert any(re.search(rf"\b({'|'.join(FISH)})\b", text) for text in topics), topics


@needs_paper
@pytest.mark.parametrize("share", [0.05, 0.2, 1])
def test_the_inoculation_prompt_leads_real_mixes(share):
    first = cues.count_cues(mixed("obvious_lies_gpt41", share, 0), WORDS, limit=1)[0]
    assert first.kind is CueKind.SYSTEM_PROMPT
    assert first.share == pytest.approx(share, abs=0.001)
