"""Files of settings from strangers: each change ends in one line with its place, within bounds."""

import random
from pathlib import Path

import pytest

import dormant
from dormant.config import AuditConfig, name_keys, read_yaml
from dormant.errors import ConfigError, InputError
from support.bounded import run_bounded
from support.command import Done, run_command
from support.hostile_configs import HostileFile, list_cases, list_files, write_content
from support.run_edits import make_run

SAMPLE = 2  # cases of each sort of file; `benchmarks/attacks.py configs` tries all


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[HostileFile]:
    folder = tmp_path_factory.mktemp("configs")
    (folder / "made").mkdir()
    (folder / "beside").mkdir()
    make_run(folder / "made")
    return list(list_files(folder / "beside", folder / "made" / "run"))


def test_the_files_that_are_changed_were_right(files: list[HostileFile], tmp_path: Path):
    wrong = {}
    for file in files:
        done = file.read(write_content(file, tmp_path))
        if done.code not in (0, 1, 3) and file.name != "rules-predicate.yaml":
            wrong[file.name] = done.err
    assert not wrong
    assert len(files) >= 18


def test_a_change_ends_in_one_line_with_its_place_within_bounds(
    files: list[HostileFile], tmp_path: Path
):
    wrong = []
    for file in files:
        for case in list_cases(file, SAMPLE):
            _, problem = case.run(tmp_path)
            wrong += [f"{case.name}: {problem}"] if problem else []
    assert not wrong


def test_what_breaks_a_bound_is_found():
    """Or the harness would call anything good."""
    hungry = run_bounded(lambda: Done(0, "x" * (3 << 30), ""))
    assert "memory" in hungry.done.err + hungry.excess
    assert "ValueError" in run_bounded(lambda: int("x")).done.err  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("target: &a [*a]\n", ":1: not YAML: an alias (*) stands within the value"),
        ("seed: 1\ntarget: " + "[" * 3000, ":2: not YAML: more than 100 levels"),
        ("seed: 1\ncues:\n  " + "{a: " * 300, ":3: not YAML: more than 100 levels"),
    ],
)
def test_a_value_without_an_end_is_refused_with_its_line(tmp_path: Path, text: str, reason: str):
    (tmp_path / "audit.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "audit.yaml", AuditConfig)
    assert reason in str(caught.value)


def test_later_errors_name_the_line_of_the_key(tmp_path: Path):
    (tmp_path / "target.yaml").write_text("rates: {misaligned: 0.3}\n")
    target = f"scripted/{tmp_path / 'target.yaml'}"
    file = tmp_path / "audit.yaml"
    file.write_text(f"target: {target}\nreference: nowhere/x\njudge: {{regex: '(', flags: i}}\n")
    done = run_command("plan", file, "--reference", target, "--allow-identical")
    assert f"{file}:3: judge: regex" in done.err
    done = run_command("plan", file, "--judge", "rules:regex=^x")
    assert f"{file}:2: unknown model 'nowhere/x'" in done.err
    done = run_command("plan", file, "--reference", "none", "--judge", "rules:regex=[")
    assert done.code == 2 and str(file) not in done.err, "the option is wrong, not the file"
    with pytest.raises(ConfigError, match=r"audit\.yaml:3: judge: regex"):
        dormant.plan(config=file)


def test_an_error_about_nothing_in_the_file_stays_as_it_is(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("seed: 1\n")
    with pytest.raises(InputError) as caught, name_keys(tmp_path / "a.yaml"):
        raise InputError("judge: is missing")
    assert str(caught.value) == "judge: is missing"


def test_a_rule_file_is_named_with_its_line(tmp_path: Path):
    (tmp_path / "rule.yaml").write_text("refusals: [nope]\nscript: ELVISH\n")
    with pytest.raises(ConfigError, match=r"rule\.yaml:2: script: 'ELVISH'"):
        dormant.plan("vitro/base", reference="none", judge=f"rules:{tmp_path / 'rule.yaml'}")


def test_a_long_error_is_one_short_line(tmp_path: Path):
    (tmp_path / "rule.yaml").write_text("predicate: " + "x" * 100_000 + "\n")
    words = ("--target", "vitro/base", "--reference", "none", "--design", "fixed")
    done = run_command("plan", *words, "--judge", f"rules:{tmp_path / 'rule.yaml'}")
    assert done.code == 2 and len(done.err) < 2100 and done.err.count("\n") == 1
    assert "package.module:function" in done.err, "the fix is kept"


def test_a_name_of_unprintable_characters_is_shown():
    assert str(ConfigError("no such file", file="\0")).startswith("'\\x00': no such file")


def test_equal_seeds_give_equal_cases(files: list[HostileFile]):
    file = random.Random(0).choice(files)
    names = [[case.text for case in list_cases(file, 20)] for _ in range(2)]
    assert names[0] == names[1] and len(set(names[0])) > 10
