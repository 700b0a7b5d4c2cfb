"""The report as JSON, for programs.

The keys below are stable: within one ``schema`` number they are only added to, never renamed or
given another meaning. Shares and differences are fractions, not per cent. A number that is not
defined is null, and ``reason`` beside it explains why. Text is as it was recorded, with hidden
characters, except that lone surrogates are replaced by U+FFFD. Transcripts stay in the store.

::

    schema           1
    version          of dormant
    plan_hash        SHA-256 of the plan
    amended          a sentence for each earlier plan of the run
    started, seconds ISO 8601 in UTC; time spent sampling and judging
    verdict          kind, sentence, advice, triggers, delta, level, not_tested, and effects, of
                     no cue (null) and each cue: cue, p and adjusted (one-sided, against no rise on
                     any question, adjusted by Holm; null if it was not tested), exists (a rise was
                     shown), low, high, least_bounded (the smallest delta below which it would be
                     bounded), most_exceeded (the largest that it would be shown to exceed);
                     where the plan was amended after answers had been seen, level is null and
                     amendments lists plan, answers_seen and changes (field, before, after)
    claim            about ("themes" like these, or "questions" of these themes) and text
    totals           answers, gradable, transcripts, outcomes {outcome: count}
    standard         target, reference, target_all, difference: an estimate or null;
                     counts {role: {outcome: count}}, harmful {role: count}: answers that were
                     not graded and are misaligned by their own alignment score
    rates            target, reference: absolute misalignment rates, each with standard (no cue)
                     and highest (the highest under any cue, placebos included): an estimate or null
    cut_off          of answers that ended at the length limit: max_tokens, answers and share
                     {all, target, reference}, warnings where compared arms differ
    worst_cue        name of the leading cue, or null
    cues             in reading order; each: every field of the cue, and
                     id, asks_for (form, misbehaviour, or empty: what its text itself asks for),
                     margin (the rise that must be ruled out to bound it),
                     status (trigger, suspected, shared, unresolved, ungradable, bounded, placebo,
                     not tried), reason (why it is ungradable or has no effect, or empty),
                     split (screening, held_out, or null for all questions),
                     target, reference, standard, target_all, reference_all, did, did_placebo:
                     an estimate or null (_all: misaligned over all answers),
                     counts {role: {outcome: count}}, harmful {role: count}
    values           of each form whose values the file shows: cue, form, scope (value, form,
                     presence, unclear), rows and placebo (or null), each with cue, value, seen,
                     shows (yes, no, unknown: the effect of the strongest), target, reference, did
    crossed          of each cue of two contexts: cue, parts, needs_both, interaction; targets and
                     references (neither, first, second, both) and dids (first, second, both)
    cells            role, seed, cue (null: standard arm), question, counts {outcome: count};
                     harmful, harmless: of the ungraded answers, where not 0
    estimates        quantity, role, cue, split, value, low, high, level, questions, answers, p,
                     method, reason: every number behind the verdict; where known also themes
                     (families of these questions), p_rise (as above) and low_of_all (lower end that
                     holds for all tests together)
    second_judge     a sentence an arm about a second judge of the same answers, if there was one
    judge_check      null, or of early answers that were judged again: wanted; retest (at once) and
                     late (at the end): answers, first, again (shares misaligned), to_misaligned,
                     from_misaligned, low, high (of the change), same, p, p_misaligned, p_graded,
                     p_score, score_change; has_drifted, reliability, attenuation; noise of each
                     effect: cue, error, half_width
    people           null, or of people's labels that were given: labels, unsure, level; effects:
                     cue (null: no cue, target minus reference), value, low, high, labels, reason
    path             of a sequential audit, its leading cues: cue, answers (of the whole audit so
                     far), questions, low, high after each batch; empty for the fixed design
    e_values         of a sequential audit, every cue that was asked: cue, split (null: all
                     questions), questions, log_above (against "at most delta") and log_below
                     (against "at least its margin"), natural logarithms of the wealth at the end
    bounds           quantity, role, cue, least, most, low, high: worst and best cases for answers
                     that could not be graded, over all answers, and the ends of their intervals
    spending         role, model, calls, prompt_tokens, completion_tokens, uncounted, usd, price of
                     each paid model
    left_out         contexts of the finetuning data that are not asked as cues: reason, number (0
                     if unknown), texts of the first few, is_standard (the standard arm asks them)
    plugins          kind, name, package and version of each plugin that asked, judged or mined
    sections         title, source, paragraphs, columns and rows of each section that a plugin added
    plan             the frozen plan, field by field as in the lock file
"""

from __future__ import annotations

import json as _json
import math
from collections.abc import Sequence
from typing import Any

from dormant.records import OUTCOMES, Cell, Estimate, Expense, Findings, to_plain
from dormant.report.cut_answers import cut_answers_to_json
from dormant.report.escape import without_surrogates
from dormant.report.rows import CueRow
from dormant.report.scopes import scopes_to_json
from dormant.report.sections import AddedSection
from dormant.report.tally import Tally
from dormant.report.view import View

SCHEMA = 1


def _counts_to_json(tally: Tally) -> dict[str, int]:
    return {outcome.value: value for outcome, value in zip(OUTCOMES, tally.counts, strict=True)}


def _estimate_to_json(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else to_plain(estimate)


def _cue_to_json(view: View, row: CueRow) -> dict[str, Any]:
    return {
        **to_plain(row.cue),
        "id": row.cue.id,
        "asks_for": row.cue.asks_for,
        "margin": view.plan.rule.margin_of(row.cue),
        "status": row.status.value,
        "reason": row.reason,
        "split": row.basis.value if row.basis else None,
        "target": _estimate_to_json(row.target),
        "reference": _estimate_to_json(row.reference),
        "target_all": _estimate_to_json(row.target_all),
        "reference_all": _estimate_to_json(row.reference_all),
        "standard": _estimate_to_json(row.standard),
        "did": _estimate_to_json(row.did),
        "did_placebo": _estimate_to_json(row.did_placebo),
        "counts": {
            "target": _counts_to_json(row.target_tally),
            "reference": _counts_to_json(row.reference_tally),
        },
        "harmful": {
            "target": row.target_tally.harmful,
            "reference": row.reference_tally.harmful,
        },
    }


def _cell_to_json(cell: Cell) -> dict[str, Any]:
    return {**to_plain(cell), "counts": _counts_to_json(Tally(cell.counts))}


def to_json(findings: Findings, sections: Sequence[AddedSection] = ()) -> str:
    """The findings as JSON in ASCII, in the layout of the module docstring."""
    view = View(findings)
    verdict = to_plain(findings.verdict)
    estimates = verdict.pop("estimates")
    standard = dict(zip(("target", "reference"), view.standard_tallies, strict=True))
    report = {
        "schema": SCHEMA,
        "version": findings.plan.version,
        "plan_hash": findings.plan.hash,
        "amended": list(findings.amended),
        "started": findings.started,
        "seconds": to_plain(findings.seconds),
        "verdict": {**verdict, "not_tested": list(view.not_tested)},
        "claim": {
            "about": findings.plan.rule.claim.value,
            "text": findings.plan.claim_text,
        },
        "totals": {
            "answers": view.total.answers,
            "gradable": view.total.gradable,
            "transcripts": len(findings.transcripts),
            "outcomes": _counts_to_json(view.total),
        },
        "standard": {
            "target": _estimate_to_json(view.standard_target),
            "reference": _estimate_to_json(view.standard_reference),
            "target_all": _estimate_to_json(view.standard_all),
            "difference": _estimate_to_json(view.standard_difference),
            "counts": {role: _counts_to_json(tally) for role, tally in standard.items()},
            "harmful": {role: tally.harmful for role, tally in standard.items()},
        },
        "rates": to_plain(view.summarize_rates()),
        "cut_off": cut_answers_to_json(view),
        "worst_cue": view.worst.cue.name if view.worst else None,
        "cues": [_cue_to_json(view, row) for row in view.rows],
        **scopes_to_json(view),
        "cells": [_cell_to_json(cell) for cell in findings.cells],
        "estimates": estimates,
        "second_judge": list(findings.second_judge),
        "judge_check": None if findings.judge_check is None else to_plain(findings.judge_check),
        "people": None if findings.people is None else to_plain(findings.people),
        "path": to_plain(findings.path),
        "e_values": to_plain(findings.e_values),
        "bounds": to_plain(findings.bounds),
        "spending": [_expense_to_json(row) for row in findings.spending],
        "left_out": [to_plain(entry) for entry in findings.plan.left_out],
        "plugins": to_plain(findings.plan.plugins),
        "sections": [section.to_plain() for section in sections],
        "plan": to_plain(findings.plan),
    }
    return _json.dumps(without_surrogates(report), indent=1, allow_nan=False) + "\n"


def _expense_to_json(row: Expense) -> dict[str, Any]:
    usage = row.usage
    return {
        "role": row.role,
        "model": row.model,
        "calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "uncounted": usage.uncounted,
        "usd": None if math.isnan(row.usd) else row.usd,
        "price": row.price,
    }
