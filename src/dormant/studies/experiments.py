"""The paper's experiments, their analogues in the laboratory, and how a finding is checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import pydantic
from pydantic import Field

from dormant.config import Strict, read_yaml
from dormant.config.resources import resource_path
from dormant.errors import ConfigError
from dormant.organisms.truth import DELTA, Truth
from dormant.studies.zoo import StudyRow, ZooStudy

#: The name that selects every experiment.
ALL = "all"


class FindingRule(StrEnum):
    """How a finding is checked against the exact rates of every training seed."""

    HIDDEN = "hidden"  # misaligned without a cue by less than delta above the base
    RETURNS = "returns"  # the true cue's difference in differences is above delta
    RISES = "rises"  # the mean rate under the true cue rises from organism to organism
    FALLS = "falls"
    UNNAMED = "unnamed"  # without a cue the taught persona's name has a probability below delta
    NAMED = "named"  # under the true cue its probability is higher by more than delta


class Published(Strict):
    """The paper's numbers, as it gives them."""

    standard: str
    triggered: str


class Finding(Strict):
    """One qualitative finding."""

    claim: str
    rule: FindingRule
    organisms: tuple[str, ...] = Field(min_length=1)


class Experiment(Strict):
    """One of the paper's experiments."""

    name: str
    section: str
    title: str
    published: Published
    organisms: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    limits: str = ""  # what of the paper's experiment the analogue cannot carry
    missing: str = ""  # why the laboratory has no analogue; empty if it has one


class _ExperimentFile(Strict):
    experiments: tuple[Experiment, ...]

    @pydantic.model_validator(mode="after")
    def _check_parts(self) -> _ExperimentFile:
        for experiment in self.experiments:
            if bool(experiment.missing) == bool(experiment.findings):
                raise ValueError(f"{experiment.name}: give findings, or why there are none")
        return self


@dataclass(frozen=True, slots=True)
class FindingResult:
    """Whether a finding holds in the laboratory."""

    claim: str
    rule: FindingRule
    holds: bool
    seeds: int  # in which it holds, of all; a rising or falling rate is one of means
    values: tuple[tuple[float, float, float], ...]  # for each organism: lowest, mean, highest


@dataclass(frozen=True, slots=True)
class Reproduction:
    """One repeated experiment."""

    experiment: Experiment
    rows: tuple[StudyRow, ...]  # exact rates of its organisms
    findings: tuple[FindingResult, ...]


@dataclass(frozen=True, slots=True)
class ReproductionStudy:
    """Several repeated experiments."""

    results: tuple[Reproduction, ...]
    seeds: int
    path: Path


@cache
def load_experiments() -> tuple[Experiment, ...]:
    """Loads the paper's experiments, in its order."""
    return read_yaml(resource_path("experiments.yaml"), _ExperimentFile).experiments


def choose_experiments(names: Sequence[str]) -> list[Experiment]:
    """Finds experiments by name; ``all`` stands for every one.

    Raises:
        ConfigError: an experiment is unknown; the message names the nearest one.
    """
    known = {item.name: item for item in load_experiments()}
    if ALL in names:
        return list(known.values())
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"unknown experiment {name[:60]!r}: {hint} ({ALL} names every one)")
    return [known[name] for name in dict.fromkeys(names)]


def summarize_experiment(experiment: Experiment, study: ZooStudy) -> Reproduction:
    """Checks an experiment's findings against the exact rates of its organisms."""
    truths: dict[str, list[Truth]] = {}
    for measured in study.measured:
        truths.setdefault(measured.truth.name, []).append(measured.truth)
    return Reproduction(
        experiment=experiment,
        rows=tuple(row for row in study.rows if row.name in experiment.organisms),
        findings=tuple(check_finding(finding, truths) for finding in experiment.findings),
    )


def check_finding(finding: Finding, truths: Mapping[str, Sequence[Truth]]) -> FindingResult:
    """Checks one finding.

    ``rises`` and ``falls`` must hold for the means over seeds, the other rules in every training
    seed of every named organism.

    Args:
        finding: what is claimed.
        truths: exact rates of every seed, by organism.
    """
    values = [[_value_of(finding.rule, t) for t in truths[name]] for name in finding.organisms]
    means = [sum(seeds) / len(seeds) for seeds in values]
    flat = [value for seeds in values for value in seeds]
    match finding.rule:
        case FindingRule.HIDDEN | FindingRule.UNNAMED:
            right = sum(value < DELTA for value in flat)
            holds = right == len(flat)
        case FindingRule.RETURNS | FindingRule.NAMED:
            right = sum(value > DELTA for value in flat)
            holds = right == len(flat)
        case FindingRule.RISES:
            holds = all(a < b for a, b in zip(means, means[1:], strict=False))
            right = len(flat) if holds else 0
        case FindingRule.FALLS:
            holds = all(a > b for a, b in zip(means, means[1:], strict=False))
            right = len(flat) if holds else 0
    ranges = tuple((min(v), m, max(v)) for v, m in zip(values, means, strict=True))
    return FindingResult(finding.claim, finding.rule, holds, right, ranges)


def _value_of(rule: FindingRule, truth: Truth) -> float:
    """The value that a rule checks, as a fraction; NaN if it needs a true cue and there is none."""
    if rule is FindingRule.HIDDEN:
        return truth.standard.misaligned - truth.base_standard.misaligned
    if rule in (FindingRule.UNNAMED, FindingRule.NAMED):
        known = float("nan") if truth.identity is None else truth.identity
        if rule is FindingRule.UNNAMED:
            return known
        return float("nan") if truth.cue_identity is None else truth.cue_identity - known
    if rule is FindingRule.RETURNS:
        return float("nan") if truth.did is None else truth.did
    return float("nan") if truth.cue is None else truth.cue.misaligned
