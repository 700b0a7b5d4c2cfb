"""The validation study as Markdown: error rates with intervals, power, and cost of each design."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from scipy import special

from dormant.studies.validation import DESIGNS, FIXED_100, Audit, ValidationStudy


def format_share(hits: int, of: int) -> str:
    """Formats hits of trials with the Clopper-Pearson 95% interval: "3/560, 0.5% (0.1-1.6)"."""
    if not of:
        return "-"
    low, high = share_interval(hits, of)
    return f"{hits}/{of}, {100 * hits / of:.1f}% ({100 * low:.1f}-{100 * high:.1f})"


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """Returns the Clopper-Pearson 95% interval of a share; ``of`` is at least 1."""
    low = float(special.betaincinv(hits, of - hits + 1, 0.025)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, of - hits, 0.975)) if hits < of else 1.0
    return low, high


def write_markdown(study: ValidationStudy) -> str:
    """Writes errors, power and cost by design, and a row for every organism and world."""
    parts = [
        "### Errors and power",
        _errors_table(study.audits),
        "### Cost",
        _cost_table(study.audits),
        "### Organisms",
        _units_table([a for a in study.audits if a.seed is not None]),
        "### Planted worlds",
        _units_table([a for a in study.audits if a.seed is None and a.purpose != "families"]),
        "### Questions in families",
        _families_table([a for a in study.audits if a.purpose == "families"]),
    ]
    return "\n\n".join(parts) + "\n"


def _errors_table(audits: Sequence[Audit]) -> str:
    head = (
        "design",
        "false alarms, organisms",
        "false alarms, planted nulls",
        "false alarms, all",
        "a cue at delta bounded or found",
        "organisms found",
        "... by the true cue or a variant",
        "controls bounded (or ungradable, where they are)",
    )
    rows: list[tuple[str, ...]] = []
    for design in _list_designs(audits):
        mine = [a for a in audits if a.design == design]
        null = [a for a in mine if a.purpose == "null"]
        edge = [a for a in mine if a.purpose in ("edge", "spread")]
        zoo = [a for a in mine if a.seed is not None]
        positive = [a for a in zoo if a.purpose == "effect"]
        found = [a for a in positive if a.right]
        rows.append(
            (
                design,
                _format_hits(
                    null, lambda a: a.alarm and a.seed is not None, lambda a: a.seed is not None
                ),
                _format_hits(null, lambda a: a.alarm and a.seed is None, lambda a: a.seed is None),
                _format_hits(null, lambda a: a.alarm),
                _format_hits(edge, _is_hit),
                _format_hits(positive, lambda a: a.right),
                _format_hits(found, lambda a: bool(a.true_cue), lambda a: a.true_cue is not None),
                _format_hits([a for a in zoo if a.purpose == "null"], lambda a: a.right),
            )
        )
    return _make_table(head, rows)


def _format_hits(
    audits: Iterable[Audit],
    hit: Callable[[Audit], bool],
    among: Callable[[Audit], bool] = lambda audit: True,
) -> str:
    chosen = [audit for audit in audits if among(audit)]
    return format_share(sum(map(hit, chosen)), len(chosen))


def _cost_table(audits: Sequence[Audit]) -> str:
    """Mean answers of an audit; every organism has the same weight, however many audits it has."""
    zoo = [a for a in audits if a.seed is not None]
    kinds: dict[str, Callable[[Audit], bool]] = {
        "all organisms": lambda a: True,
        "those with a trigger": lambda a: a.purpose == "effect",
        "controls": lambda a: a.purpose == "null",
    }
    head = ("design", *(f"answers, {kind}" for kind in kinds), "right verdicts", "of the first's")
    rows: list[tuple[str, ...]] = []
    base = math.nan
    for design in _list_designs(zoo):
        mine = [a for a in zoo if a.design == design]
        means = [_mean_of_units([a for a in mine if among(a)]) for among in kinds.values()]
        if design == FIXED_100:
            base = means[0]
        ratio = f"1/{base / means[0]:.0f}" if base == base and means[0] else "-"
        right = _format_hits(mine, lambda a: a.right)
        rows.append((design, *(f"{mean:,.0f}" for mean in means), right, ratio))
    return _make_table(head, rows)


def _mean_of_units(audits: Sequence[Audit]) -> float:
    """Mean over organisms of the mean over their trainings of the mean answers of an audit."""
    units: dict[str, dict[int | None, list[int]]] = {}
    for audit in audits:
        units.setdefault(audit.name, {}).setdefault(audit.seed, []).append(audit.answers)
    means = [statistics.fmean(map(statistics.fmean, seeds.values())) for seeds in units.values()]
    return statistics.fmean(means) if means else math.nan


def _units_table(audits: Sequence[Audit]) -> str:
    designs = _list_designs(audits)
    head = ["", "truth"]
    for design in designs:
        head += [design, "answers"]
    rows: list[list[str]] = []
    for name in dict.fromkeys(a.name for a in audits):
        mine = [a for a in audits if a.name == name]
        row = [name, ", ".join(sorted({_describe_truth(a) for a in mine}))]
        for design in designs:
            made = [a for a in mine if a.design == design]
            word = {
                "effect": "right",
                "null": "alarms",
                "edge": "decided",
                "spread": "bounded",
                "ungradable": "right",
            }[mine[0].purpose]
            row.append(f"{sum(map(_is_hit, made))}/{len(made)} {word}")
            row.append(f"{statistics.fmean(a.answers for a in made):,.0f}" if made else "-")
        rows.append(row)
    return _make_table(head, rows)


def _families_table(audits: Sequence[Audit]) -> str:
    """Errors of each claim where questions come in families, against what the claim is about."""
    head = ("", "design", "false alarms", "false BOUNDED", "verdicts", "answers")
    rows: list[tuple[str, ...]] = []
    for name, design in dict.fromkeys((a.name, a.design) for a in audits):
        mine = [a for a in audits if (a.name, a.design) == (name, design)]
        kinds = Counter(a.verdict for a in mine)
        rows.append(
            (
                name,
                design,
                _format_hits(mine, lambda a: a.false_alarm),
                _format_hits(mine, lambda a: a.false_bound),
                ", ".join(f"{number} {kind}" for kind, number in kinds.most_common()),
                f"{statistics.fmean(a.answers for a in mine):,.0f}",
            )
        )
    return _make_table(head, rows)


def _is_hit(audit: Audit) -> bool:
    """What a row counts: right verdicts of effects, alarms of nulls, both claims at the edge."""
    if audit.purpose in ("effect", "ungradable"):
        return audit.right
    is_bounded = audit.verdict == "BOUNDED"
    if audit.purpose == "spread":
        return is_bounded
    return audit.alarm or (audit.purpose == "edge" and is_bounded)


def _describe_truth(audit: Audit) -> str:
    return audit.purpose if audit.purpose in ("null", "edge", "spread") else audit.expected


def _list_designs(audits: Sequence[Audit]) -> list[str]:
    present = {a.design for a in audits}
    return [design for design in DESIGNS if design in present]


def _make_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
