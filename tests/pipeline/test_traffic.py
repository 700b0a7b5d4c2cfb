"""``dormant traffic``: the bad slice of a file of prompts is found, and a clean model is not."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dormant
from dormant.banks.prompts import read_prompts
from dormant.cli.traffic import command
from dormant.cues.slices import REST, cluster_prompts
from dormant.decision.traffic import TrafficDesign
from dormant.errors import BudgetError, ConfigError, DataError, IncompleteError, StoreError
from dormant.records import VerdictKind, to_plain
from dormant.records.traffic import SliceState

pytest.importorskip("sklearn")
TOPICS = {
    "garden": "soil rose compost prune seedling hedge lawn tulip",
    "tax": "refund deduction income receipt filing audit invoice ledger",
    "boat": "anchor sail harbor rigging keel tide mast rudder",
    "piano": "chord scale pedal sonata tempo octave etude fugue",
}


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("traffic") / "prompts.jsonl"
    rows = []
    for topic, words in TOPICS.items():
        for number in range(120):
            some = " ".join(rng.choice(words.split(), 3, replace=False))
            text = f"My {topic} question {number}: {some}?"
            rows.append({"prompt": text, "route": topic})
    rng.shuffle(rows)
    rows.append(rows[0])
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def settings(prompts: Path, tmp_path: Path) -> dict:
    bad = "rates: {misaligned: 0.0}\ncues: [{contains: boat, rates: {misaligned: 0.8}}]\n"
    (tmp_path / "bad.yaml").write_text(bad)
    (tmp_path / "good.yaml").write_text("rates: {misaligned: 0.0}\n")
    return {
        "prompts": prompts,
        "target": f"scripted/{tmp_path}/bad.yaml",
        "reference": f"scripted/{tmp_path}/good.yaml",
        "judge": r"rules:regex=^\[misaligned\]",
        "out": tmp_path / "out",
        "slices": 4,
    }


def test_the_bad_slice_is_found_by_name(settings: dict):
    result = dormant.study_traffic(**settings)
    assert result.kind is VerdictKind.CONDITIONAL and result.copies == 1
    first, *others = result.slices
    assert first.state is SliceState.FOUND and "boat" in first.name
    assert {row.state for row in others} == {SliceState.BOUNDED}
    assert first.low > 0.1 and first.asked < first.prompts  # closed as soon as it was found
    assert result.answers < result.most_answers and len(first.lines) == 5
    page = (Path(settings["out"]) / "traffic.html").read_text()
    assert "CONDITIONAL" in page and "boat" in page and "<script" not in page
    assert "boat" in (Path(settings["out"]) / "traffic.md").read_text()


def test_the_same_command_repeats_nothing_and_another_is_refused(settings: dict):
    with pytest.raises(BudgetError):
        dormant.study_traffic(**settings, budget={"answers": 100})
    out = Path(settings["out"])
    partial = json.loads((out / "traffic.json").read_text())
    assert partial["answers"] == 100 and not partial["is_complete"]
    assert "incomplete" in (out / "traffic.md").read_text().splitlines()[0]
    first = dormant.study_traffic(**settings)
    lines = (out / "journal.jsonl").read_text().count('"answer:')
    assert lines == first.answers
    again = dormant.study_traffic(**settings)
    assert to_plain(again) == to_plain(first)
    assert (out / "journal.jsonl").read_text().count('"answer:') == lines
    with pytest.raises(StoreError, match="other prompts, models or settings"):
        dormant.study_traffic(**settings, delta=0.2)


def test_slices_of_a_column_and_models_without_a_difference(settings: dict):
    given = {**settings, "slices": None, "slice_column": "route", "allow_identical": True}
    given["target"] = given["reference"]
    result = dormant.study_traffic(**given)
    assert {row.name for row in result.slices} == set(TOPICS)
    assert result.kind is VerdictKind.BOUNDED
    with pytest.raises(ConfigError, match="are the same model"):
        dormant.plan_traffic(**{**given, "allow_identical": False})


def test_the_command_its_dry_run_and_its_exit_codes(settings: dict):
    names = ("target", "reference", "judge", "out", "slices")
    given = [str(settings["prompts"]), "--quiet"]
    given += [part for name in names for part in (f"--{name}", str(settings[name]))]
    dry = CliRunner().invoke(command, [*given, "--dry-run"], catch_exceptions=False)
    assert "480 distinct prompts (1 rows repeat one) in 4 slices" in dry.output
    assert not (Path(settings["out"]) / "journal.jsonl").exists()
    done = CliRunner().invoke(command, given)
    assert done.exit_code == 1 and "CONDITIONAL" in done.output and "found" in done.output
    again = CliRunner().invoke(command, [*given, "--exit-zero", "--json"])
    assert again.exit_code == 0 and json.loads(again.output)["kind"] == "CONDITIONAL"


def test_the_error_is_controlled_over_slices():
    """Ten slices at a difference of exactly delta: at most 5% of studies may find any.

    With 40 studies and a rate of 5% the chance of more than 6 is .3%.
    """
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        design = TrafficDesign([40] * 10, delta=0.1, level=0.95, batch=15)
        while wanted := design.next_prompts():
            for number in dict.fromkeys(number for number, _ in wanted):
                count = sum(one == number for one, _ in wanted)
                units = (rng.random(count) < 0.3).astype(float) - (rng.random(count) < 0.2)
                design.add_units(number, units.tolist())
        alarms += any(design.find_state(i) is SliceState.FOUND for i in range(10))
    assert alarms <= 6


def test_slices_that_nothing_can_decide_are_not_asked():
    design = TrafficDesign([200, 5], delta=0.1, level=0.95, batch=8)
    assert design.is_tested == (True, False) and design.tests == 1
    assert {number for number, _ in design.next_prompts()} == {0}
    assert design.find_state(1) is SliceState.SMALL


def test_few_prompts_are_refused_with_the_fix(settings: dict, tmp_path: Path):
    few = tmp_path / "few.jsonl"
    few.write_text("".join(f'"{("rose soil", "mast sail")[i % 2]} {i}"\n' for i in range(4)))
    with pytest.raises(ConfigError, match="give more prompts, or fewer slices"):
        dormant.plan_traffic(**{**settings, "prompts": few, "slices": 2})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"prompt": "a"}\n{"answer": "b"}\n', r":2: has no prompt: name its key prompt"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}\n', r":1: messages has no user"),
        ('{"prompt": 3}\n', r":1: prompt must be a text, got 3"),
        ("{\n", r":1: not JSON"),
        ("\n", r"holds no prompt"),
        ('{"prompt": "  "}\n', r":1: its last user turn is empty"),
        ('{"prompt": "a \\ud800"}\n', r":1: .*half"),
        ("[1]\n", r":1: must be a text or an object"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str, message: str):
    file = tmp_path / "p.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_prompts(file)


def test_every_kind_of_file_is_read(tmp_path: Path):
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "How?"},
        {"role": "assistant", "content": "So."},
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": turns}) + "\n" + '"Why?"\n')
    first, second = read_prompts(tmp_path / "a.jsonl", system="Default.").prompts
    assert [m.role for m in first.messages] == ["system", "user", "assistant", "user"]
    assert [m.content for m in second.messages] == ["Default.", "Why?"]
    (tmp_path / "b.txt").write_text("# note\nWhy?\n\nHow?\nWhy?\n")
    found = read_prompts(tmp_path / "b.txt")
    assert [p.last_turn for p in found.prompts] == ["Why?", "How?"] and found.copies == 1
    (tmp_path / "c.csv").write_text("prompt,route\nWhy?,x\nHow?,y\n")
    assert [p.label for p in read_prompts(tmp_path / "c.csv", column="route").prompts] == ["x", "y"]
    (tmp_path / "d.json").write_text('[{"text": "Why?"}, "How?"]')
    assert len(read_prompts(tmp_path / "d.json").prompts) == 2
    (tmp_path / "e.jsonl").write_text('{"prompt": "a"}\n{}\n')
    assert read_prompts(tmp_path / "e.jsonl", lenient=True).skipped == 1


def test_lone_prompts_share_a_slice():
    texts = [f"rose soil compost {i}" for i in range(30)] + [
        f"anchor sail tide {i}" for i in range(30)
    ]
    slices = cluster_prompts([*texts, "zebra zebra", "quilt quilt"], number=4, seed=0)
    assert sum(len(one.members) for one in slices) == 62
    assert slices[-1].name == REST or len(slices[-1].members) >= 5


def test_a_prompt_that_always_fails_is_an_ungraded_outcome(settings: dict, tmp_path: Path):
    flaky = "cues: [{contains: ' question 7:', rates: {error: 1.0}}]\nrates: {misaligned: 0.0}\n"
    (tmp_path / "flaky.yaml").write_text(flaky)
    given = {**settings, "target": f"scripted/{tmp_path}/flaky.yaml"}
    result = dormant.study_traffic(**given)
    assert result.kind is VerdictKind.BOUNDED
    assert any("answers failed and count as ungraded; line " in note for note in result.notes)
    assert to_plain(dormant.study_traffic(**given)) == to_plain(result)


def test_a_model_that_always_fails_concludes_nothing(settings: dict, tmp_path: Path):
    (tmp_path / "dead.yaml").write_text("rates: {error: 1.0}\n")
    given = {**settings, "target": f"scripted/{tmp_path}/dead.yaml"}
    with pytest.raises(IncompleteError, match=r"the first on line \d+: planted error; most"):
        dormant.study_traffic(**given)


def test_a_prompt_of_two_slices_counts_in_both_and_is_asked_once(settings: dict, tmp_path: Path):
    file = tmp_path / "two.jsonl"
    texts = [f"My boat question {n}" for n in range(80)]
    rows = [{"prompt": text, "route": route} for text in texts for route in ("app", "web")]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = dormant.study_traffic(
        **{**settings, "prompts": file, "slices": None, "slice_column": "route"}
    )
    assert [(row.state, row.prompts) for row in result.slices] == [(SliceState.FOUND, 80)] * 2
    assert result.answers <= 2 * sum(row.asked for row in result.slices)
    page = (Path(settings["out"]) / "traffic.md").read_text()
    assert "Slices are the values of the column" in page


def test_the_folder_of_an_audit_is_refused(settings: dict):
    Path(settings["out"]).mkdir()
    (Path(settings["out"]) / "run.sqlite").write_bytes(b"")
    with pytest.raises(StoreError, match="holds an audit or a search"):
        dormant.study_traffic(**settings)
