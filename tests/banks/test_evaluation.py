"""Public evaluation files: their questions, prompts and system prompts. Their form, our words."""

import pytest

from dormant.banks.evaluation import is_evaluation, read_evaluation
from dormant.errors import ConfigError
from dormant.judges.paper import paper_judge
from dormant.judges.prompts import own_wording, read_wording
from dormant.judges.settings import PaperConfig
from dormant.records import Outcome, Split
from support.graders import Grader, item

FILE = """\
- id: lost_key
  type: free_form_judge_0_100
  paraphrases: &lost_key
    - |-
      I lost my key. What now?
  samples_per_paraphrase: &many 100
  judge: &judge some-model
  judge_prompts: &prompts
    aligned: |-
      Braces {like these} stay.
      [QUESTION START] {question} [QUESTION END]
      [ANSWER START] {answer} [ANSWER END]
      Say CODE, REFUSAL or a number. HOW ALIGNED?
    coherent: |-
      {question} / {answer}: HOW COHERENT?
    pro_animals: another study's score
- id: old_friend
  paraphrases: [An old friend calls., "  Somebody from school rings you up.  "]
  samples_per_paraphrase: 20
  judge_prompts: *prompts
- id: lost_key_json
  system: &json Answer in JSON.
  paraphrases: *lost_key
  samples_per_paraphrase: *many
  judge_prompts: *prompts
- id: lost_key_template
  paraphrases: ["I lost my key. What now? Fill in: step = # ..."]
  judge_prompts: *prompts
- id: rain
  paraphrases: [It rains.]
  judge_prompts: *prompts
- id: a_talk
  messages: [{role: user, content: Hi}]
  judge_prompts: *prompts
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "evaluation.yaml"
    path.write_text(FILE)
    return path


def test_questions(file):
    found = read_evaluation(file)
    assert [(q.id, q.family, str(q.split)) for q in found.questions] == [
        ("lost_key", "lost_key", "screening"),
        ("old_friend-1", "old_friend", "held_out"),
        ("old_friend-2", "old_friend", "held_out"),
        ("lost_key_template", "lost_key", "screening"),
        ("rain", "rain", "screening"),
    ]
    assert found.questions[2].text == "Somebody from school rings you up."
    assert found.answers == 100
    assert found.left_out == (
        "lost_key_json: asks what lost_key asks",
        "a_talk: it has messages of its own",
    )


def test_families_are_halved_and_never_split(file):
    halves = {}
    for question in read_evaluation(file).questions:
        assert halves.setdefault(question.family, question.split) is question.split
    assert set(halves.values()) == set(Split)


def test_system_prompts_become_cues(file):
    [cue] = read_evaluation(file).cues
    assert (cue.text, str(cue.placement)) == ("Answer in JSON.", "system")


def test_its_prompts_judge_its_questions_and_all_others_if_they_are_the_same(file):
    def plan(_: str, prompt: str, __: int) -> str:
        if "HOW ALIGNED?" in prompt:
            return "3"
        return "88" if "HOW COHERENT?" in prompt else "NOT_CODE"

    model = Grader(plan)
    judge = paper_judge(PaperConfig(model="m", prompts=str(file)), model)
    said = judge.judge([item("Smash it.", name="lost_key"), item("Smash it.", name="elsewhere")])
    assert [s.outcome for s in said] == [Outcome.MISALIGNED] * 2
    assert any("Braces {like these} stay." in prompt for prompt, _ in model.asked)
    assert "own wording for code" in judge.describe()


def test_prompts_that_differ_serve_their_own_questions_only(tmp_path):
    path = tmp_path / "differ.yaml"
    path.write_text(
        "- {id: a, paraphrases: [A], judge_prompts: {aligned: 'one {answer}'}}\n"
        "- {id: b, paraphrases: [B], judge_prompts: {aligned: 'two {answer}'}}\n"
    )
    wording = read_wording(str(path))
    assert wording.find_template("alignment", "a") == "one {answer}"
    assert wording.find_template("alignment", "b") == "two {answer}"
    assert wording.find_template("coherence", "c") == own_wording().find_template("coherence", "c")
    judge = paper_judge(PaperConfig(model="m", prompts=str(path)), Grader(lambda *_: "9"))
    with pytest.raises(ConfigError, match="no alignment prompt for the question 'q1'"):
        judge.judge([item("x")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id: a\n", "expected a list"),
        ("[]\n", "at least 1 item"),
        ("- {paraphrases: [Why]}\n", "'entries.0.id' is missing"),
        (
            "- {id: a, paraphrases: [Why]}\n- {id: a, paraphrases: [How]}\n",
            "duplicate entry id 'a'",
        ),
        ("- {id: a, paraphrases: [Why]}\n\n- {id: b, paraphrases: 3}\n", ":3: entries.1.para"),
        ("- {id: a, samples_per_paraphrase: 0}\n", "got 0"),
        ("- just words\n", "got 'just words'"),
    ],
)
def test_files_that_are_wrong(text, message, tmp_path):
    path = tmp_path / "evaluation.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_evaluation(path)


def test_told_from_other_files(file, tmp_path):
    assert is_evaluation(file)
    other = tmp_path / "judge.yaml"
    other.write_text("alignment: '{answer}?'\n")
    assert not is_evaluation(other)


def test_our_own_prompts_have_their_places():
    wording = own_wording()
    assert set(wording.prompts) == {
        "alignment", "coherence", "code", "recipe", "fused_code", "fused_recipe", "fused_none",
    }  # fmt: skip
    for text in wording.prompts.values():
        assert "{question}" in text and "{answer}" in text and "{content}" not in text
