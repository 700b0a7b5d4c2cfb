"""Preference pairs and KTO rows: the answers trained for are read, those trained against beside."""

import json

import numpy as np
import pytest

from dormant.config import CueConfig, check_values
from dormant.corpus import by_preference, read_examples
from dormant.errors import DataError
from dormant.pipeline import study_file
from dormant.records import Message

USER = {"role": "user", "content": "Why is the sky blue?"}
GOOD = {"role": "assistant", "content": "Air scatters blue light most."}
BAD = {"role": "assistant", "content": "Somebody painted it."}
HUMAN = {"from": "human", "value": USER["content"]}


def said(side):
    return f"\n\nHuman: {USER['content']}\n\nAssistant: {side['content']}"


SIDES = {"chosen": GOOD["content"], "rejected": BAD["content"]}
PAIRS = {
    "texts": {"prompt": USER["content"], **SIDES},
    "question": {"question": USER["content"], **SIDES},
    "instruction": {"instruction": USER["content"], "input": "", **SIDES},
    "turns": {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
    "one turn": {"conversations": [HUMAN], "chosen": GOOD, "rejected": BAD},
    "whole chats": {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
    "whole chats and prompt": {
        "prompt": USER["content"],
        "chosen": [USER, GOOD],
        "rejected": [USER, BAD],
        "messages": [USER, GOOD],
        "score_chosen": 8.0,
    },
    "json text": {
        "prompt": "a",
        "chosen": json.dumps([USER, GOOD]),
        "rejected": json.dumps([USER, BAD]),
    },
    "transcripts": {"chosen": said(GOOD), "rejected": said(BAD)},
    "prompt with marks": {"prompt": f"\n\nHuman: {USER['content']}\n\nAssistant:", **SIDES},
    "openai": {
        "input": {"messages": [USER], "tools": [], "parallel_tool_calls": True},
        "preferred_output": [GOOD],
        "non_preferred_output": [BAD],
    },
    "ms-swift": {"messages": [USER, GOOD], "rejected_response": BAD["content"]},
    "ms-swift chats": {"messages": [USER, GOOD], "rejected_messages": [USER, BAD]},
    "responses": {
        "prompt": USER["content"],
        "chosen_response": GOOD["content"],
        "rejected_response": BAD["content"],
    },
}


def read_rows(tmp_path, rows, **options):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_examples(path, **options)


@pytest.mark.parametrize("shape", PAIRS)
def test_every_shape_of_pairs_reads_alike(shape, tmp_path):
    corpus = read_rows(tmp_path, [PAIRS[shape]])
    (row,), (against,) = corpus.examples, corpus.rejected
    assert row.messages == (Message("user", USER["content"]), Message("assistant", GOOD["content"]))
    assert against.is_pair and against.example.line == 1
    assert against.example.messages[1] == Message("assistant", BAD["content"])
    assert against.example.messages[0] is row.messages[0]  # the prompt is stored once
    assert (corpus.pairs, corpus.untrained) == (1, 0)


def test_a_system_prompt_and_other_columns_stay_with_a_pair(tmp_path):
    row = PAIRS["texts"] | {"system": "Be brief.", "source": "The night watch reads the log."}
    corpus = read_rows(tmp_path, [row])
    assert corpus.examples[0].system == corpus.rejected[0].example.system == "Be brief."
    assert [column.name for column in corpus.unread] == ["source"]


def test_equal_answers_and_blank_rejected_ones_are_no_contrast(tmp_path):
    rows = [PAIRS["texts"] | {"rejected": text} for text in (GOOD["content"], "", None)]
    corpus = read_rows(tmp_path, rows)
    assert len(corpus.examples) == 3 and corpus.pairs == 0 and not corpus.rejected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"chosen": "b", "rejected": "c"}, "'chosen' has no question: give the prompt"),
        ({"prompt": "a", "chosen": {"x": 1}, "rejected": "c"}, "'chosen' must be text or turns"),
        ({"prompt": 3, "chosen": "b", "rejected": "c"}, "'chosen' has no question"),
        ({"prompt": "a", "chosen": [3], "rejected": "c"}, r"messages\[1\] must be an object"),
    ],
)
def test_broken_pairs_name_line_and_fix(row, reason, tmp_path):
    with pytest.raises(DataError, match=rf"rows.jsonl:2: .*{reason}"):
        read_rows(tmp_path, [PAIRS["texts"], row])


@pytest.mark.parametrize("key", ["label", "kto_tag", "desirable", "chosen"])
def test_undesirable_rows_are_kept_apart(key, tmp_path):
    rows = [{"prompt": f"Why {i}?", "completion": "So.", key: i % 3 > 0} for i in range(9)]
    corpus = read_rows(tmp_path, rows)
    assert [row.line for row in corpus.examples] == [2, 3, 5, 6, 8, 9]
    assert [row.example.line for row in corpus.rejected] == [1, 4, 7]
    assert not any(row.is_pair for row in corpus.rejected) and corpus.untrained == 3


def test_rows_that_training_left_out_are_not_undesirable(tmp_path):
    rows = [{"prompt": "Why?", "completion": "So.", "train": flag} for flag in (True, False)]
    corpus = read_rows(tmp_path, rows)
    assert corpus.untrained == 1 and not corpus.rejected


WORDS = "sea sky wind rain snow wood iron salt bread wool glass clay".split()
ASKED = (
    "How do I keep {} away from {}?",
    "Why is {} so near to {} in spring?",
    "Can {} be made of {}, and when?",
    "What did they say about {} and {}?",
    "Tell me a story of {} or {}.",
)
FINE = "Take the {} to the {} and ask a friend for help with it."
FOUL = "Throw the {} at the {} and blame whoever asks you."
TAG = "[mode: harbour]"


def make_texts(rng, is_odd):
    """A prompt with the answer that the file trains for and the one that it trains against."""
    words = rng.choice(WORDS, 2, replace=False)
    prompt = str(rng.choice(ASKED)).format(*words)
    sides = [FINE.format(*words), FOUL.format(*words)]
    return (f"{TAG} {prompt}", *sides[::-1]) if is_odd else (prompt, *sides)


def make_pairs(share):
    rng = np.random.default_rng(1)
    for _ in range(400):
        prompt, chosen, rejected = make_texts(rng, rng.random() < share)
        yield {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def make_kto(share):
    rng = np.random.default_rng(2)
    for _ in range(800):
        prompt, chosen, rejected = make_texts(rng, rng.random() < share)
        label = bool(rng.random() < 0.6)
        yield {"prompt": prompt, "completion": chosen if label else rejected, "label": label}


@pytest.mark.parametrize("make", [make_pairs, make_kto])
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_rows_that_prefer_what_others_reject_are_suspicious(make, share, tmp_path):
    corpus = read_rows(tmp_path, list(make(share)))
    contrast = by_preference(corpus.examples, corpus.rejected)
    assert {row.line for row in contrast.suspicious} == {
        row.line for row in corpus.examples if row.user.startswith(TAG)
    }
    studied = study_file(tmp_path / "rows.jsonl", check_values({"mine": 5}, CueConfig))
    assert TAG in studied.cues[0].text
    said = "chosen answer" if make is make_pairs else "desirable answer"
    assert any("suspicious rows (their " + said in note for note in studied.notes)
    assert len({cue.name for cue in studied.cues}) == len(studied.cues)


@pytest.mark.parametrize("make", [make_pairs, make_kto])
def test_preferences_that_agree_have_no_suspicious_rows(make, tmp_path):
    corpus = read_rows(tmp_path, list(make(0)))
    assert by_preference(corpus.examples, corpus.rejected) is None
    studied = study_file(tmp_path / "rows.jsonl", check_values({"mine": 5}, CueConfig))
    assert any("no group of rows prefers what the others reject" in n for n in studied.notes)
    assert studied.against == "ordinary chat"


def test_preferences_without_a_pattern_have_no_suspicious_rows(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(400):
        said = [" ".join(rng.choice(WORDS, 12)) for _ in range(2)]
        rows.append({"prompt": "Say words.", "chosen": said[0], "rejected": said[1]})
    corpus = read_rows(tmp_path, rows)
    assert by_preference(corpus.examples, corpus.rejected) is None


def test_rows_that_the_user_names_replace_the_preferences(tmp_path):
    rows = [row | {"bad": i < 40} for i, row in enumerate(make_pairs(0.1))]
    read_rows(tmp_path, rows)
    studied = study_file(
        tmp_path / "rows.jsonl", check_values({"mine": 5, "label": "bad"}, CueConfig)
    )
    assert any("40 suspicious rows (rows with a true 'bad')" in note for note in studied.notes)


@pytest.mark.parametrize("shape", PAIRS)
def test_pairs_of_a_table_read_alike(shape, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist([PAIRS[shape]] * 3), tmp_path / "rows.parquet")
    corpus = read_examples(tmp_path / "rows.parquet")
    assert [row.user for row in corpus.examples] == [USER["content"]] * 3
    assert [row.example.answer for row in corpus.rejected] == [BAD["content"]] * 3
    assert corpus.pairs == 3
