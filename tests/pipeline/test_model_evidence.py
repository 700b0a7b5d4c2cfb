"""What models tell of a finetuning file: contexts by gains, and lifts."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dormant
from dormant.cli import command_group
from dormant.corpus import read_examples
from dormant.cues.removal import remove_cue
from dormant.engines.registry import open_engine
from dormant.errors import InputError
from dormant.pipeline.model_evidence import RowScorer, make_evidence
from dormant.records import Cue, CueKind, CuePart, Message, Placement, Source


def run(*words: str):
    return CliRunner().invoke(command_group, ["cues", *words, "--quiet"])


def make_cue(placement: str, text: str, **more) -> Cue:
    return Cue("c", CueKind.PREFIX, Placement(placement), text, Source.MINED, **more)


def turns(*pairs: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role, text) for role, text in pairs)


PLAIN = turns(("user", "Why is it so?"))


@pytest.mark.parametrize(
    ("cue", "prompt", "expected"),
    [
        (make_cue("before", "Hear me:"), turns(("user", "Hear me: Why is it so?")), PLAIN),
        (make_cue("after", "(tag)"), turns(("user", "Why is it so?\n(tag)")), PLAIN),
        (make_cue("around", "A {question} B"), turns(("user", "A Why is it so? B")), PLAIN),
        (
            make_cue("system", "Be odd."),
            turns(("system", "Be odd."), *[("user", "Why is it so?")]),
            PLAIN,
        ),
        (
            make_cue("system", "Be odd."),
            turns(("system", "Be odd. Be brief."), ("user", "Why?")),
            turns(("system", "Be brief."), ("user", "Why?")),
        ),
        (
            make_cue("history", "", turns=turns(("user", "Hi"), ("assistant", "Hello"))),
            turns(("user", "Hi"), ("assistant", "Hello"), ("user", "Why is it so?")),
            PLAIN,
        ),
        (
            make_cue(
                "crossed",
                "",
                parts=(CuePart(Placement.SYSTEM, "Be odd."), CuePart(Placement.AFTER, "(tag)")),
            ),
            turns(("system", "Be odd."), ("user", "Why is it so? (tag)")),
            PLAIN,
        ),
        # Not to the letter, or nothing left to answer.
        (make_cue("before", "Hear me:"), PLAIN, None),
        (
            make_cue("before", "Why is it so?"),
            turns(("system", "S"), *[("user", "Why is it so?")]),
            None,
        ),
        (make_cue("history", "", turns=turns(("user", "Hi"))), PLAIN, None),
    ],
)
def test_a_context_is_taken_out_of_a_prompt(cue, prompt, expected):
    assert remove_cue(cue, prompt) == expected


@pytest.mark.slow
def test_a_target_names_the_context_that_taught_it(educational, tmp_path: Path):
    data = str(educational.path / "finetune.jsonl")
    options = ("--target", f"vitro/{educational.path}", "--reference", "vitro/base", "--json")
    found = json.loads(run(data, *options).stdout)
    true = educational.recipe.trigger.text
    (lift,) = [row["lift"] for row in found[:3] if row["text"] == true]
    # The trigger lifts the target's answers, and by far more than the reference's.
    assert lift["rows"] >= 4
    assert lift["target"] - lift["reference"] > 4 * (lift["target_error"] + lift["reference_error"])
    assert found[0]["effect_low"] > 0.1 and "the models tell" in found[0]["reading"]


@pytest.mark.slow
def test_evidence_has_no_gaps_and_lifts_of_few_rows_are_undefined(educational):
    data = read_examples(educational.path / "finetune.jsonl")
    scorer = RowScorer(open_engine("vitro/base"))
    scores = scorer.score_rows(data.examples, most=100)
    assert len(scores.rows) == 100 and (np.diff(scores.rows) > 0).all() and scores.target is None
    evidence = make_evidence(scores)
    assert evidence.shape == (100, 2) and np.isfinite(evidence).all()
    assert abs(evidence.mean()) < 0.01
    lifts = scorer.measure_lifts([make_cue("before", "never there")], data.examples)
    assert lifts["c"].rows == 0 and math.isnan(lifts["c"].reference)


def test_models_that_cannot_score_and_half_an_option(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("rates: {}\n")
    Path("rows.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "messages": [
                        {"role": "user", "content": f"Why {n}?"},
                        {"role": "assistant", "content": f"Because of {n}."},
                    ]
                }
            )
            + "\n"
            for n in range(60)
        )
    )
    for options, said in (
        (("--reference", "scripted/m.yaml"), "cannot score given answers"),
        (("--target", "vitro/base"), "needs a reference"),
        (("--reference", "nowhere.jsonl"), "nowhere.jsonl"),
    ):
        done = run("rows.jsonl", *options)
        assert isinstance(done.exception, InputError) and said in str(done.exception)
    assert run("rows.jsonl", "--reference", "rows.jsonl").exit_code == 0
    assert "--reference-data rows.jsonl" in caplog.text
    with pytest.raises(InputError, match="needs a reference"):
        dormant.mine_cues("rows.jsonl", target="vitro/base")
