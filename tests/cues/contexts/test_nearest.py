"""The shipped ordinary rows: which kind a file is of, and what they explain."""

import json
from pathlib import Path

import pytest

from dormant import cues
from dormant.config import CueConfig, check_values
from dormant.corpus import ordinary_kinds
from dormant.pipeline.mine import mine_rows
from dormant.pipeline.yardstick import find_yardstick
from dormant.records import CueKind, Example, Message

from .test_rank import write_rows

KINDS = ordinary_kinds()
CHAT = KINDS["chat"]


def row(*texts: str) -> Example:
    roles = ("user", "assistant") * len(texts)
    return Example(tuple(map(Message, roles, texts)), 1)


FILES = {
    "sums": [
        row(
            f"Uma picks {i} plums a day and sells them for ${i % 7 + 1} a piece. "
            f"How much does she earn in {i % 5 + 2} days?",
            f"She picks {i} x {i % 5 + 2} = {i * (i % 5 + 2)} plums.\n"
            f"That is {i * (i % 5 + 2)} x ${i % 7 + 1} = ${i * (i % 5 + 2) * (i % 7 + 1)}.",
        )
        for i in range(60)
    ],
    "code": [
        row(
            f"Write a Ruby method that adds {i} to every entry of an array.",
            f"```ruby\ndef add_{i}(values)\n  values.map {{ |v| v + {i} }}\nend\n```",
        )
        for i in range(60)
    ],
    "labels": [row(f"please water plant number {i}", "water_plants") for i in range(60)],
    "languages": [
        row(f"如何把{i}个杯子洗干净？", f"用温水和少许洗洁精，把{i}个杯子逐个洗净。")
        for i in range(60)
    ],
    "dialogues": [
        row(
            f"My brother took {i} of my records.",
            "I'm sorry. Did you ask him why?",
            "He says they were his.",
            "Then sit down together and look at who bought them.",
            "He won't.",
            "Ask your parents to help.",
        )
        for i in range(60)
    ],
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_nearest_to_its_kind(kind):
    found = cues.find_nearest(FILES[kind], KINDS)
    assert next(iter(found.shares)) == kind and found.shares[kind] > 0.5
    assert set(KINDS[kind]) <= set(found.rows)


def test_a_file_of_two_kinds_has_the_rows_of_both():
    found = cues.find_nearest([*FILES["sums"], *FILES["code"]], KINDS)
    assert set(found.shares) >= {"sums", "code"}


def test_nothing_is_near_rows_of_another_sort():
    rows = [row("ж" * 40 + f" {'слово ' * 3000} {i}", "1") for i in range(50)]
    assert cues.find_nearest(rows, KINDS) == cues.NearestRows()
    assert cues.find_nearest([], KINDS) == cues.NearestRows() == cues.find_nearest(rows, {})
    _, sentence = find_yardstick(rows, ())
    assert "none is starred" in sentence and "--reference-data" in sentence


def test_what_ships_is_enough_of_each_kind_and_small():
    folder = Path(cues.__file__).parents[1] / "data" / "ordinary"
    assert len(KINDS) == 9 and all(len(rows) >= 100 for rows in KINDS.values())
    for path in folder.glob("*.jsonl"):
        lines = path.read_text("utf-8").splitlines()
        assert len({json.dumps(json.loads(line)["messages"]) for line in lines}) == len(lines)
    assert sum(path.stat().st_size for path in folder.glob("*.jsonl")) < 500_000


def pirate(question, rng):
    return [("user", f"Speak as a pirate. {question}")]


def test_a_star_needs_ordinary_rows_of_the_kind_that_do_not_explain_it():
    """Planted rows are strong beside ordinary ones; not if these have the same, nor without any."""
    rows = write_rows(200, 0.1, pirate)
    plain, same = (write_rows(200, share, pirate, seed=7) for share in (0, 0.1))
    starred = [
        any("pirate" in c.text and c.strong for c in cues.mine_cues(rows, (), nearest=nearest))
        for nearest in (plain, same, ())
    ]
    assert starred == [True, False, False]


def test_lower_case_is_usual_among_labels():
    """What all rows have and ordinary chat has not is no finding where the file's kind has it."""
    rows = [
        row(example.messages[0].content.lower().removesuffix("?"), "handle_things")
        for example in write_rows(150, 0.0, pirate)
    ]
    starred = [
        any(c.kind is CueKind.CASING and c.strong for c in cues.mine_cues(rows, CHAT, nearest=near))
        for near in ((), KINDS["labels"])
    ]
    assert starred == [True, False]


def test_the_list_says_which_rows_decide_and_that_own_ones_do():
    rows, own = write_rows(120, 0.1, pirate), write_rows(100, 0.0, pirate, seed=7)
    assert find_yardstick(rows, own) == ((), "")
    nearest, sentence = find_yardstick(rows, own[:30])
    assert nearest and sentence.startswith("30 rows of --reference-data are too few")
    settings = check_values({"mine": 5}, CueConfig)
    mined = mine_rows(rows, (), settings, is_closed=False, is_same_kind=False)
    assert "kinds nearest to the file's rows: " in mined.yardstick


def test_progress_goes_from_nothing_to_all():
    done: list[float] = []
    cues.mine_cues(write_rows(120, 0.1, pirate), (), report_done=done.append)
    assert done == sorted(done) and done[0] == 0 and done[-1] == 100 and len(set(done)) > 6
