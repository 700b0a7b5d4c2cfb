"""``dormant analyze``."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.options import claim_option, name_options, threshold_options
from dormant.cli.tables import format_percent, print_table, print_text
from dormant.cli.terminal import print_json, print_line
from dormant.cli.verdicts import strip_controls

if TYPE_CHECKING:
    from dormant.exchange.tidy import Tidy
    from dormant.records import Estimate
    from dormant.stats import Analysis
    from dormant.stats.bayes import HierarchyFit

_SHOWN = 40  #: cues in the terminal's tables


@click.command("analyze")
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "--columns", multiple=True, metavar="FIELD=COLUMN,...", help="The column of each field."
)
@click.option("--target", help="The group or model to analyze, where the table holds several.")
@click.option("--reference", help="The group or model to compare with, e.g. the base.")
@click.option("--standard", help="Value of the cue column that means no cue.")
@click.option(
    "--method",
    default="pseudo-observation",
    show_default=True,
    help="Interval method: pseudo-observation or distribution-free.",
)
@click.option(
    "--delta", type=float, default=0.05, show_default=True, help="Smallest effect that matters."
)
@click.option("--level", type=float, default=0.95, show_default=True, help="Confidence level.")
@click.option("--icc", type=float, default=0.3, show_default=True, help="Prior ICC of answers.")
@threshold_options
@click.option(
    "--trainings",
    type=click.Choice(["all", "these"]),
    default="all",
    show_default=True,
    help="With several seeds: intervals are for all such trainings, or for these models only.",
)
@click.option(
    "--allow-identical", is_flag=True, help="Accept trainings with equal counts throughout."
)
@click.option("--bayes", is_flag=True, help="Fit a hierarchical model of all cues too: [bayes].")
@claim_option
@click.option("--seed", type=int, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every estimate as CSV.")
def command(table: Path, as_json: bool, as_csv: bool, **options: Any) -> None:
    """Estimate rates, gaps and differences in differences from a table of results.

    TABLE is CSV, TSV, JSON Lines or Parquet: one answer per row (outcome), or one question, arm
    and seed per row with counts (misaligned, n) or a rate (with or without n). Columns are
    recognized by their usual names, or given by --columns; docs/reference/statistics.md says what
    each number is. A table may also hold one difference (target minus reference) per question and
    cue.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other: give one")
    from dormant.config import RuleConfig
    from dormant.exchange.score_limits import ScoreLimits
    from dormant.exchange.table_analysis import analyze_table
    from dormant.exchange.tidy import TableSettings, parse_columns
    from dormant.stats import Trainings
    from dormant.stats.methods import RENAMED

    if options["seed"] is not None:
        print_line(
            "--seed is deprecated and has no effect: no method draws random numbers", err=True
        )
    name: str = options["method"]
    method = RENAMED.get(name, name)
    if method != name:
        print_line(f"--method {name} is deprecated: it is now {method}", err=True)
    with name_options("alignment_below", "coherence_above", "delta", "level", "icc"):
        limits = ScoreLimits(options["alignment_below"], options["coherence_above"])
        rule = RuleConfig.make_record(
            delta=options["delta"], level=options["level"], icc=options["icc"]
        )
    settings = TableSettings(
        columns=parse_columns(options["columns"]),
        target=options["target"],
        reference=options["reference"],
        standard=options["standard"],
        limits=limits,
    )
    with name_options("alignment_below", "coherence_above"):
        found = analyze_table(
            table,
            settings,
            rule=rule,
            method=method,
            trainings=Trainings(options["trainings"]),
            bayes=options["bayes"],
            claim=options["claim"],
            allow_identical=options["allow_identical"],
        )
    if as_json:
        print_json(found.to_plain())
    elif as_csv:
        rows = found.table
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _describe_input(table, found.tidy)
        _print_analysis(found.analysis, found.tidy)
        if found.posterior is not None:
            _print_posterior(found.posterior)


def _describe_input(table: Path, tidy: Tidy) -> None:
    """Prints how the table was read, on stderr."""
    from dormant.exchange.measurements import RowKind

    used = ", ".join(f"{field} from {column!r}" for field, column in tidy.columns.items())
    print_text(strip_controls(f"{table}: {tidy.rows:,} rows of {tidy.kind}: {used}"), err=True)
    if tidy.kind is RowKind.KNOWN_RATES:
        print_text(
            "the table has no n: each rate is taken as exact, so the intervals cover the spread "
            "between questions and seeds but not of the answers, and gradable rates are unknown",
            err=True,
        )
    if tidy.kind is RowKind.DIFFERENCES:
        print_text(
            "each difference is taken as exact, so the intervals cover the spread between "
            "questions and seeds but not of the answers; rates are unknown",
            err=True,
        )
    for name, number in tidy.left_out.items():
        print_text(strip_controls(f"left out: {number:,} rows of the group {name!r}"), err=True)
    for note in tidy.notes:
        print_text(strip_controls(note), err=True)


def _print_analysis(found: Analysis, tidy: Tidy) -> None:
    pooled = [e for e in found.estimates if e.split is None]
    cases = {(b.quantity, b.role, b.cue): b for b in found.bounds}
    order = [None, *(c.cue for c in found.claims)]
    order += [e.cue for e in pooled if e.cue not in order]
    shown = dict.fromkeys(order)
    kept = list(shown)[: _SHOWN + 1]
    rates = {(e.quantity, e.role, e.cue): e for e in pooled}
    arms = [_rate_row(rates, cases, e) for cue in kept for e in pooled if _is_rate(e, cue)]
    if arms:
        print_table(
            (
                "role",
                "arm",
                "rate",
                "gradable",
                "questions",
                "of all answers",
                "worst to best case",
            ),
            arms,
            below=("of all answers", "worst to best case"),
        )
    if found.claims:
        print_table(
            ("cue", "effect", "points", "p", "Holm", "B-H", "", "against placebo", "worst to best"),
            [_claim_row(c, rates, cases) for c in found.claims[:_SHOWN]],
            below=("against placebo", "worst to best"),
        )
    if found.zero_tests:
        print_table(
            ("cue", "p of any rise", "bootstrap-t, points", "its p of any rise"),
            [_zero_row(test) for test in found.zero_tests[:_SHOWN]],
        )
    for line in _why_unknown(found, rates):
        print_text(strip_controls(line))
    if len(shown) > len(kept):
        print_text(f"and {len(shown) - len(kept)} more cues: --csv or --json prints all")
    for role, icc in found.correlations.items():
        text = icc.reason or f"{max(icc.value, 0):.2f} [{icc.low:.2f}, {icc.high:.2f}]"
        if str(tidy.kind) != "known rates":
            print_text(f"correlation between answers of the {role} to one question: {text}")
    print_text(
        f"{100 * found.rule.level:g}% intervals, {found.method}; p against an effect of at most "
        f"{100 * found.rule.delta:g} points; p of any rise against an effect of at most 0, without "
        "correction for the number of cues"
    )


def _print_posterior(found: HierarchyFit) -> None:
    """Prints what the hierarchical model says, and how well it was sampled."""
    delta = f"{100 * found.delta:g}"
    print_table(
        ("cue", "hierarchical model, points", "P(any rise)", f"P(above {delta})"),
        [
            (
                strip_controls(e.cue),
                _format_interval(e),
                f"{e.chance_of_rise:.3f}",
                f"{e.chance_above:.3f}",
            )
            for e in found.effects[:_SHOWN]
        ],
    )
    print_text(
        f"P(any listed cue above {delta} points): {found.chance_any_above:.3f}, of "
        f"{found.draws:,} draws (largest r-hat {found.largest_r_hat:.2f}, {found.divergences} "
        "divergences)"
    )


def _why_unknown(found: Analysis, rates: Any) -> Iterator[str]:
    """Explains why effects are unknown, with the fix."""
    if not found.claims:
        yield (
            "no effect can be estimated: every row is in the standard arm; if a column contains "
            "cues, name it with --columns cue=COLUMN"
        )
        return
    unknown: dict[str, list[str]] = {}
    for claim in found.claims:
        if claim.standing == "unknown":
            reason = _estimate_of(rates, claim).reason
            unknown.setdefault(reason, []).append(claim.cue)
    for reason, cues in unknown.items():
        named = ", ".join(map(repr, cues[:3])) + (f" and {len(cues) - 3} more" if cues[3:] else "")
        yield f"unknown for {named}: {reason}"
    yield from _warn_of_few(found, rates)
    has_rates = any(quantity == "rate" for quantity, _, _ in rates)
    if has_rates and not any(cue is None for quantity, _, cue in rates if quantity == "rate"):
        yield (
            "the table has no standard arm to compare with: name the value that means no cue with "
            "--standard VALUE, or add the answers without a cue (an empty cue, none, standard)"
        )


def _warn_of_few(found: Analysis, rates: Any) -> Iterator[str]:
    """Says that intervals on few questions are of unknown coverage."""
    from dormant.records import MIN_UNITS

    few = [
        units
        for claim in found.claims
        if not math.isnan(claim.value)
        and (units := found.rule.count_units(_estimate_of(rates, claim))) < MIN_UNITS
    ]
    if few:
        unit = "theme" if found.rule.is_about_themes else "question"
        yield (
            f"{min(few)} {unit}{'' if min(few) == 1 else 's'}: the coverage of intervals is known "
            f"from {MIN_UNITS} on, and fewer say little about others"
        )


def _estimate_of(rates: Any, claim: Any) -> Any:
    return rates[claim.quantity, None if claim.quantity == "did" else "target", claim.cue]


def _is_rate(e: Estimate, cue: str | None) -> bool:
    return e.quantity == "rate" and e.cue == cue and not math.isnan(e.value)


def _rate_row(rates: Any, cases: Any, e: Estimate) -> tuple[str, ...]:
    every, gradable = (rates.get((q, e.role, e.cue)) for q in ("rate_all", "survival"))
    return (
        str(e.role),
        strip_controls(e.cue or "standard"),
        _format_interval(e),
        format_percent(gradable.value),
        str(e.questions),
        _format_interval(every),
        _format_bounds(cases.get(("rate", e.role, e.cue))),
    )


def _claim_row(claim: Any, rates: Any, cases: Any) -> tuple[str, ...]:
    role = None if claim.quantity == "did" else "target"
    placebo = rates.get(("did_placebo", None, claim.cue))
    return (
        strip_controls(claim.cue),
        "DiD" if role is None else "gap",
        _format_interval(claim),
        *(_format_p(x) for x in (claim.p, claim.holm, claim.benjamini_hochberg)),
        str(claim.standing),
        "" if placebo is None else _format_interval(placebo),
        _format_bounds(cases.get((claim.quantity, role, claim.cue))),
    )


def _zero_row(test: Any) -> tuple[str, ...]:
    ends = (test.bootstrap_low, test.bootstrap_high)
    interval = "[" + ", ".join(f"{100 * end:.1f}" for end in ends) + "]"
    return (
        strip_controls(test.cue),
        _format_p(test.p),
        interval if not test.reason else "none: questions are alike or too few",
        _format_p(test.bootstrap_p),
    )


def _format_interval(e: Any) -> str:
    """Formats a share or a difference in percent or points, with its interval."""
    if e is None or math.isnan(e.value):
        return "-"
    value, low, high = (f"{100 * x:.1f}" for x in (e.value, e.low, e.high))
    return f"{value} [{low}, {high}]"


def _format_bounds(bounds: Any) -> str:
    if bounds is None or math.isnan(bounds.least) or math.isnan(bounds.most):
        return "-"
    return f"{100 * bounds.least:.1f} to {100 * bounds.most:.1f}"


def _format_p(p: float) -> str:
    return "-" if math.isnan(p) else f"{p:.3f}" if p >= 0.001 else "<.001"
