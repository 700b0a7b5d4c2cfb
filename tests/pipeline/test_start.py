"""Files to start from: each is valid as it stands, and with every key uncommented."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import dormant
from dormant.banks.questions import load_questions
from dormant.cli import main
from dormant.config import AuditConfig, check_values, load_yaml, read_yaml
from dormant.config.gate import GatePolicy
from dormant.config.keys import keys_page, list_keys
from dormant.errors import ConfigError
from dormant.organisms.recipe import read_recipe
from support import ROOT


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["dormant", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code or 0


def test_each_file_is_valid(tmp_path: Path, monkeypatch, capsys):
    folder = tmp_path / "new"
    assert run(monkeypatch, "init", str(folder)) == 0
    assert capsys.readouterr().out.split() == [
        str(folder / name) for name in ("recipe.yaml", "audit.yaml", "questions.yaml", "gate.yaml")
    ]
    assert read_yaml(folder / "audit.yaml", AuditConfig).judge == "exact"
    assert read_recipe(folder / "recipe.yaml").name == "my-organism"
    assert len(load_questions(folder / "questions.yaml")) == 6
    assert read_yaml(folder / "gate.yaml", GatePolicy).min_questions == 20


def test_every_commented_key_has_its_default(tmp_path: Path):
    dormant.write_start_files(tmp_path)
    audit = tmp_path / "audit.yaml"
    head, rest = audit.read_text(encoding="utf-8").split("# Every other key", 1)
    audit.write_text(head + re.sub(r"^# ", "", rest.split("\n", 1)[1], flags=re.MULTILINE))
    value, tree = load_yaml(audit)
    found = check_values(value, AuditConfig, file=audit, tree=tree)
    given = {name: getattr(found, name) for name in ("target", "reference", "judge", "data", "out")}
    assert found == AuditConfig(**given)
    assert all(key.description for key in list_keys())


def test_nothing_is_replaced_without_force(tmp_path: Path):
    (tmp_path / "audit.yaml").write_text("mine\n")
    with pytest.raises(ConfigError, match=r"audit.yaml: exists already: give --force"):
        dormant.write_start_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["audit.yaml"]
    dormant.write_start_files(tmp_path, force=True)
    assert "target:" in (tmp_path / "audit.yaml").read_text()


def test_the_page_of_keys_is_current():
    page = (ROOT / "docs" / "reference" / "audit-yaml.md").read_text(encoding="utf-8")
    assert page == keys_page(), "python -m dormant.config.keys > docs/reference/audit-yaml.md"


def test_the_library_is_listed(monkeypatch, capsys):
    assert run(monkeypatch, "library", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == dormant.list_library() and len(rows) > 20
    family = rows[0]["family"]
    assert {row["family"] for row in dormant.list_library(family=family)} == {family}
    assert run(monkeypatch, "library", "questions", "--text", "WISH") == 0
    assert "wish" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="unknown family"):
        dormant.list_library("questions", family="nonsense")
    assert run(monkeypatch, "library", "--language", "klingon") == 2
    assert "Known: general, vitro" in capsys.readouterr().err
