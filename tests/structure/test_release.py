"""What a release states in several places is the same everywhere."""

import re

import yaml

import dormant
from support import ROOT


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == dormant.__version__
    assert citation["cff-version"] and citation["authors"] and citation["title"]


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", text, re.M)[0] == dormant.__version__


def test_ci_checks_before_it_tests():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("make")] == ["make check", "make test"]


def test_contributing_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/.]+\.(?:py|yaml|cff|md))`", text)) - {"FILE.yaml"}
    assert len(named) > 10
    package = ROOT / "src" / "dormant"
    assert not [name for name in named if not ((ROOT / name).exists() or (package / name).exists())]
