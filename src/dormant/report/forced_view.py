"""The forced and the free view as sections of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dormant.records import Role
from dormant.records.forced import ForcedView, RankCorrelation
from dormant.report.sections import AddedSection, ReportSection

_SOURCE = "dormant forced"
#: Cues that the table shows: those with the largest rises in either view.
_SHOWN = 12


def forced_sections(view: ForcedView) -> tuple[AddedSection, ...]:
    """Makes the sections: cues in both views, and answers after given tokens."""
    sections = [_cue_section(view)]
    if view.starts:
        sections.append(_start_section(view))
    return tuple(AddedSection(section, _SOURCE) for section in sections)


def describe_ranks(view: ForcedView) -> Iterator[str]:
    """Yields the rank correlations and the disagreements, a sentence each."""
    over = " beyond the reference's" if view.has_reference else ""
    yield (
        "Forced: the log-odds of given misaligned against aligned answers, and the share that they "
        f"imply, as if there were no other answers. Free: sampled answers. Rises of the target "
        f"over no cue{over}, means over questions; intervals hold for all cues together at "
        f"{view.level:.0%}."
    )
    yield (
        f"Rank correlation with the sampled rises: log-odds {_word_correlation(view.by_log_odds)}, "
        f"implied shares {_word_correlation(view.by_share)}. Few answers a cue lower it: the ranks "
        "of sampled rates are then partly chance."
    )
    for kind, seen in (("forced only", "forcing"), ("free only", "sampling")):
        names = [row.cue for row in view.cues if row.agreement == kind]
        if names:
            yield f"A rise above {100 * view.delta:g} points by {seen} alone: {', '.join(names)}."
    counts = {row.agreement: 0 for row in view.cues}
    for row in view.cues:
        counts[row.agreement] += 1
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    yield f"Cues by agreement: {listed}. Undecided: an interval holds {100 * view.delta:g} points."


def _word_correlation(found: RankCorrelation) -> str:
    if math.isnan(found.value):
        return f"undefined ({found.reason})"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}] over {found.cues} cues"


def cue_rows(view: ForcedView, shown: int | None = None) -> list[tuple[str, ...]]:
    """Rows of cues with ``CUE_COLUMNS``: by rise of the log-odds, or the largest in either view."""
    chosen = list(view.cues)
    if shown is not None and len(chosen) > shown:
        free = sorted(chosen, key=lambda row: -row.rate if row.rate == row.rate else math.inf)
        kept = {row.cue for row in (*chosen[: shown // 2], *free[: shown - shown // 2])}
        kept |= {row.cue for row in chosen if row.agreement.endswith("only")}
        chosen = [row for row in chosen if row.cue in kept]
    return [
        (
            row.cue,
            f"{row.log_odds:+.2f}",
            _word_points(row.share, row.share_low, row.share_high),
            _word_points(row.rate, row.rate_low, row.rate_high),
            f"{row.forced_questions}, {row.free_questions}",
            row.agreement,
        )
        for row in chosen
    ]


CUE_COLUMNS = (
    "cue",
    "log-odds, nats",
    "implied share, points",
    "sampled rate, points",
    "questions (forced, free)",
    "rise seen by",
)
START_COLUMNS = (
    "cue",
    "given answer",
    "tokens",
    "target misaligned",
    "reference misaligned",
    "difference, points",
    "first words of it kept (target, reference)",
)


def start_rows(view: ForcedView) -> list[tuple[str, ...]]:
    """Rows of starts with ``START_COLUMNS``."""
    by_key = {(row.role, row.cue, row.start, row.tokens): row for row in view.starts}
    differences = {(row.cue, row.start, row.tokens): row for row in view.differences}
    rows: list[tuple[str, ...]] = []
    keys = {(row.cue, row.start, row.tokens) for row in view.starts}
    for key in sorted(keys, key=lambda key: (key[0] or "", key[1] != "misaligned", key[2])):
        target = by_key.get((Role.TARGET, *key))
        reference = by_key.get((Role.REFERENCE, *key))
        difference = differences.get(key)
        paths = [f"{row.words:.1f}" if row else "-" for row in (target, reference)]
        rows.append(
            (
                key[0] or "no cue",
                key[1],
                str(key[2]),
                _word_share(target.misaligned) if target else "-",
                _word_share(reference.misaligned) if reference else "-",
                _word_points(difference.value, difference.low, difference.high)
                if difference
                else "-",
                ", ".join(paths),
            )
        )
    return rows


def _cue_section(view: ForcedView) -> ReportSection:
    rows = cue_rows(view, _SHOWN)
    paragraphs = list(describe_ranks(view))
    if len(rows) < len(view.cues):
        paragraphs.append(f"{len(rows)} of {len(view.cues)} cues are shown; forced.json has all.")
    return ReportSection("Forced and free", tuple(paragraphs), CUE_COLUMNS, tuple(rows))


def _start_section(view: ForcedView) -> ReportSection:
    text = (
        "The first tokens of a given answer are forced and the model goes on by itself. After a "
        "misaligned start a model that stays misaligned where its reference recovers has the "
        "behavior and only does not begin it. First words kept: how many of the given answer's "
        "words the whole answer has before it leaves them."
    )
    return ReportSection(
        "Answers after given tokens",
        (text, *view.notes),
        START_COLUMNS,
        tuple(start_rows(view)),
    )


def _word_points(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{100 * value:+.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _word_share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.0f}%"
