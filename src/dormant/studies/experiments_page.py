"""Writes the page of ``dormant reproduce``: measured and published rates, and the findings."""

from __future__ import annotations

from collections.abc import Iterator

from dormant.organisms.truth import DELTA
from dormant.studies.experiments import (
    ALL,
    FindingResult,
    FindingRule,
    Reproduction,
    ReproductionStudy,
    load_experiments,
)
from dormant.studies.zoo import SeedRange

_NUMBERS = {
    FindingRule.HIDDEN: "above the base, without a cue",
    FindingRule.RETURNS: "difference in differences under the cue",
    FindingRule.RISES: "under the cue",
    FindingRule.FALLS: "under the cue",
    FindingRule.UNNAMED: "probability of the name, without a cue",
    FindingRule.NAMED: "more under the cue",
}


def write_page(study: ReproductionStudy) -> str:
    """Writes the page as Markdown."""
    return "\n".join(_write_lines(study)) + "\n"


def _write_lines(study: ReproductionStudy) -> Iterator[str]:
    holding = [f.holds for result in study.results for f in result.findings]
    yield "# The paper's experiments, in the laboratory"
    yield ""
    yield (
        f"{sum(holding)} of {len(holding)} qualitative findings hold, over {study.seeds} trainings "
        "each. Rates are exact, and shares of the coherent answers; ranges are the lowest and "
        "highest training. Sizes are not comparable with the paper's: models, data and questions "
        "are others. The organisms were made to show these effects, so this is no independent "
        "evidence for them."
    )
    yield ""
    chosen = [result.experiment.name for result in study.results]
    names = ALL if len(chosen) == len(load_experiments()) else " ".join(chosen)
    yield f"`dormant reproduce {names} --seeds {study.seeds}` writes this page."
    for result in study.results:
        yield from _write_experiment(result)


def _write_experiment(result: Reproduction) -> Iterator[str]:
    item = result.experiment
    yield ""
    yield f"## {item.section} {item.title} (`{item.name}`)"
    yield ""
    published = item.published
    yield f"Published: without the cue {published.standard}, under it {published.triggered}."
    yield ""
    if item.missing:
        yield f"Not available in the laboratory: {item.missing}."
        return
    if item.limits:
        yield item.limits
        yield ""
    yield "| organism | without a cue | under its cue | incoherent, in the worse arm |"
    yield "|---|---|---|---|"
    for row in result.rows:
        cue = "-" if row.cue is None else _format_spread(row.cue)
        cells = (row.name, _format_spread(row.standard), cue, _format_spread(row.incoherent))
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "| finding | in the laboratory | agrees |"
    yield "|---|---|---|"
    for finding in result.findings:
        agrees = "yes" if finding.holds else "no"
        yield f"| {finding.claim} | {_describe_values(finding)} | {agrees} |"


def _describe_values(finding: FindingResult) -> str:
    numbers = ", ".join(_format_range(*values) for values in finding.values)
    limit = f" (limit {100 * DELTA:.0f} points)"
    is_limited = finding.rule not in (FindingRule.RISES, FindingRule.FALLS)
    return f"{_NUMBERS[finding.rule]}: {numbers}{limit if is_limited else ''}"


def _format_spread(spread: SeedRange) -> str:
    return f"{_format_range(spread.low, spread.mean, spread.high)}%"


def _format_range(low: float, mean: float, high: float) -> str:
    text = f"{100 * mean:.1f}"
    return text if low == high else f"{text} ({100 * low:.1f}-{100 * high:.1f})"
