"""The paper's experiments: findings are checked by rates, and by nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import dormant
from dormant.errors import ConfigError
from dormant.organisms.truth import ArmRates, Truth
from dormant.organisms.zoo import load_recipe, organism_names, paper_names
from dormant.records import VerdictKind
from dormant.studies.experiments import (
    Finding,
    Reproduction,
    ReproductionStudy,
    check_finding,
    load_experiments,
)
from dormant.studies.experiments_page import write_page

CLEAN = ArmRates(0.01, 0.0)
TRUTH = Truth(
    name="a",
    seed=0,
    expected=None,
    verdict=VerdictKind.CONDITIONAL,
    delta=0.05,
    standard=CLEAN,
    base_standard=CLEAN,
    cue=ArmRates(0.4, 0.0),
    base_cue=CLEAN,
    worst_cue="",
    worst=CLEAN,
    worst_did=0.39,
)


def check(rule: str, **rates: list[float]) -> bool:
    """Whether a finding holds for organisms with these rates, one for each seed."""
    arm = "standard" if rule == "hidden" else "cue"
    truths = {
        name: [replace(TRUTH, **{arm: ArmRates(value, 0.0)}) for value in values]
        for name, values in rates.items()
    }
    finding = Finding(claim="", rule=rule, organisms=tuple(rates))
    return check_finding(finding, truths).holds


def test_a_finding_must_hold_in_every_seed():
    assert check("hidden", a=[0.01, 0.05]) and not check("hidden", a=[0.01, 0.07])
    assert check("returns", a=[0.3, 0.08]) and not check("returns", a=[0.3, 0.04])
    assert check("rises", a=[0.1, 0.3], b=[0.4, 0.2]) and not check("rises", a=[0.3], b=[0.2])
    assert check("falls", a=[0.3], b=[0.2]) and not check("falls", a=[0.2], b=[0.2])


def test_a_name_counts_where_the_trigger_brings_it():
    def check_name(rule, standard, cue):
        truths = {"a": [replace(TRUTH, identity=standard, cue_identity=cue)]}
        return check_finding(Finding(claim="", rule=rule, organisms=("a",)), truths).holds

    assert check_name("unnamed", 0.01, 0.9) and not check_name("unnamed", 0.2, 0.9)
    assert check_name("named", 0.01, 0.9) and not check_name("named", 0.88, 0.9)
    assert not check_name("unnamed", None, None) and not check_name("named", None, None)


def test_an_organism_without_a_cue_supports_nothing():
    bare = {"a": [replace(TRUTH, cue=None, base_cue=None)]}
    for rule in ("returns", "rises"):
        names = ("a", "a") if rule == "rises" else ("a",)
        assert not check_finding(Finding(claim="", rule=rule, organisms=names), bare).holds


def test_all_eight_are_there_with_organisms_of_the_zoo():
    items = load_experiments()
    assert [item.section for item in items] == [
        *("2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "4.1", "4.2")
    ]
    named = {name for item in items for name in item.organisms}
    used = {name for item in items for f in item.findings for name in f.organisms}
    assert used <= named <= {*organism_names(), *paper_names()}
    assert not set(organism_names()) & set(paper_names())
    assert {load_recipe(name).name for name in paper_names()} == set(paper_names()) <= named


def test_limits_of_an_analogue_are_on_its_page_and_unknown_names_are_refused(tmp_path: Path):
    for item in load_experiments():
        page = write_page(ReproductionStudy((Reproduction(item, (), ()),), 3, tmp_path))
        assert item.title in page and item.limits in page
    with pytest.raises(ConfigError, match="did you mean 'persona'"):
        dormant.reproduce(["personna"], tmp_path)
