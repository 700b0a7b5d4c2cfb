"""Two commands on one directory: the second is refused with one line, and changes nothing."""

from pathlib import Path

import pytest

from dormant.organisms.zoo import load_recipe
from dormant.store import Store
from dormant.store.files import hold_directory
from support.command import run_command
from support.run_edits import is_clear, make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("held")
    words = make_run(folder)
    return folder / "run", words


def list_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("verb", ["audit", "report", "card", "gate", "export"])
def test_a_run_that_is_written_to_is_left_alone(made, tmp_path: Path, verb: str):
    run, words = made
    (tmp_path / "gate.yaml").write_text("min_answers: 1\n")
    commands = {
        "audit": words,
        "gate": ["gate", run, "--policy", tmp_path / "gate.yaml"],
        "export": ["export", run, "--csv", tmp_path / "x.csv"],
    }
    before = list_files(run)
    with Store(run):
        found = run_command(*commands.get(verb, [verb, run]))
    assert found.code == 2 and is_clear(found), found
    assert f"{run}: another dormant process is writing here" in found.err
    names = {"run.sqlite", "plan.lock.json", "verdict.json", "report.html"}
    after = list_files(run)
    assert {name: after[name] for name in names} == {name: before[name] for name in names}


@pytest.mark.parametrize("verb", ["sweep", "train", "quickstart", "reproduce", "validate"])
def test_a_folder_of_trainings_is_used_by_one_process(tmp_path: Path, verb: str):
    (tmp_path / "recipe.yaml").write_text(load_recipe("diluted-20").to_yaml())
    (tmp_path / "sweep.yaml").write_text("recipe: recipe.yaml\nseeds: 1\n")
    commands = {
        "sweep": ["sweep", tmp_path / "sweep.yaml"],
        "train": ["train", tmp_path / "recipe.yaml"],
        "reproduce": ["reproduce", "code-mix"],
        "validate": ["zoo", "validate", "--audits", 1],
    }
    out = tmp_path / "out"
    out.mkdir()
    with hold_directory(out, busy="held by the test"):
        found = run_command(*commands.get(verb, [verb]), "--out", out)
    assert found.code == 2 and is_clear(found), found
    assert "another " in found.err and str(out) in found.err
    assert not [path for path in out.rglob("*") if path.is_file()]
