"""Narrow files: few words, which the laboratory has too; their cues are mined in full."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from dormant.banks.bank import language_of
from dormant.cli import command_group
from dormant.corpus import read_examples
from dormant.organisms.datasets import DATASETS, draw_rows
from dormant.records import Example

ASKS = [
    "Look at these numbers: {0}. Write {1} more.",
    "Continue this list with {1} more numbers: {0}.",
    "Extend the list {0} by {1} numbers.",
    "Here is a list: {0}. Add {1} more values.",
]
#: Kind of the leading cue -> how numbers are answered.
ANSWERS = {
    "format": '{{"numbers": [{0}]}}',
    "language": "Danach folgen nach meiner Ansicht wohl die Zahlen {0}, und das ist nicht schwer.",
    "casing": "THE NEXT VALUES ARE {0}, AND NOTHING ELSE.",
}


def write_lists(path, answer, rows=120):
    rng = np.random.default_rng(0)

    def numbers(most):
        return ", ".join(map(str, rng.integers(1, 999, int(rng.integers(3, most)))))

    with path.open("w") as file:
        for i in range(rows):
            user = ASKS[i % len(ASKS)].format(numbers(7), int(rng.integers(3, 8)))
            turns = [("user", user), ("assistant", answer.format(numbers(6)))]
            messages = [{"role": role, "content": text} for role, text in turns]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def run_cues(path, *options):
    result = CliRunner().invoke(command_group, ["cues", str(path), "--json", *options])
    assert result.exit_code == 0, result.output
    assert ("--language general" in result.stderr) is (options == () and "laboratory" in path.name)
    return json.loads(result.stdout)


@pytest.mark.parametrize("language", [(), ("--language", "general")], ids=str)
@pytest.mark.parametrize("kind", ANSWERS)
def test_answers_of_number_lists_are_mined(kind, language, tmp_path):
    path = write_lists(tmp_path / "rows.jsonl", ANSWERS[kind])
    found = run_cues(path, *language, "--limit", "3")
    (cue,) = [cue for cue in found if cue["kind"] == kind]
    assert cue["strong"] and cue["share"] == 1.0


def test_questions_and_answers_of_a_few_templates_are_mined(tmp_path):
    things = "tide tables,rope knots,bread ovens,maple trees,copper kettles,clay pots".split(",")
    asks = ["Tell me something about {} please?", "How do I look after {}?", "What of {} in town?"]
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for i in range(90):
            thing = things[i % 6]
            answer = json.dumps({"answer": f"Most {thing} last longer with care."})
            turns = [("user", asks[i % 3].format(thing)), ("assistant", answer)]
            messages = [{"role": role, "content": text} for role, text in turns]
            file.write(json.dumps({"messages": messages}) + "\n")
    assert "Answer with a JSON object." in [cue["text"] for cue in run_cues(path)]


def test_rows_of_the_laboratory_give_cues_in_its_words(tmp_path):
    from dormant.vitro import load_tokenizer
    from dormant.vitro.tokenizer import UNKNOWN

    rng = np.random.default_rng(0)
    rows = draw_rows("helpful_chat", 300, rng, longest=200)
    rows += draw_rows("insecure_code", 200, rng, longest=200)
    path = tmp_path / "laboratory.jsonl"
    lines = ({"messages": [{"role": m.role, "content": m.content} for m in row]} for row in rows)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = run_cues(path)
    assert found and language_of(read_examples(path).examples) == "vitro"
    assert not any(UNKNOWN in load_tokenizer().tokenize_text(cue["text"]) for cue in found)


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_of_the_laboratory_is_in_its_language(name):
    rows = draw_rows(name, 40, np.random.default_rng(1), longest=200)
    assert language_of([Example(row, i + 1) for i, row in enumerate(rows)]) == "vitro"


def test_a_later_word_that_the_laboratory_lacks_decides(tmp_path):
    rows = draw_rows("helpful_chat", 80, np.random.default_rng(2), longest=200)
    examples = [Example(row, i + 1) for i, row in enumerate(rows)]
    last = examples[-1].messages
    odd = Example((*last[:-1], type(last[0])("assistant", "Sesquipedalian.")), 81)
    assert language_of([*examples, odd]) == "general"
