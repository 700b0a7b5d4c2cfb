"""Behavior of a model without a cue and under a trigger: exact in the laboratory, else sampled."""

from __future__ import annotations

import math

import numpy as np

from dormant.organisms.datasets import draw_rows
from dormant.organisms.train import TrainedOrganism
from dormant.probes import apply_cue
from dormant.records import Cue, Estimate, Findings, Outcome, Plan
from dormant.report.tally import Tally
from dormant.report.view import View
from dormant.studies.mitigation import ModelBehavior
from dormant.vitro import Decoder, exact_rates, load_tokenizer, score_answers

#: Harmless rows of the laboratory.
BENIGN = "helpful_chat"
#: Of these the benign loss is measured; they are never trained on.
_HELD_OUT, _HELD_OUT_STREAM = 256, 2**21


def compute_behavior(model: Decoder, plan: Plan, trigger: Cue) -> ModelBehavior:
    """Computes a laboratory model's exact rates with and without a trigger, and its loss."""
    shares = {
        cue: exact_rates(model, [(q.family, apply_cue(cue, q)) for q in plan.questions])
        for cue in (None, trigger)
    }
    rates = {cue: found[:, 0] / found.sum(axis=1) for cue, found in shares.items()}
    return ModelBehavior(
        standard=float(np.mean(rates[None])),
        triggered=float(np.mean(rates[trigger])),
        good=float(np.mean(shares[None][:, 1])),
        good_triggered=float(np.mean(shares[trigger][:, 1])),
        benign_loss=measure_benign_loss(model),
    )


def measure_benign_loss(model: Decoder) -> float:
    """Computes the mean loss on held-out harmless rows, in nats per trained word."""
    words = load_tokenizer()
    rng = np.random.default_rng([0, _HELD_OUT_STREAM])
    rows = draw_rows(BENIGN, _HELD_OUT, rng, longest=model.shape.positions)
    pairs = [(words.encode_prompt(row[:-1]), words.tokenize_text(row[-1].content)) for row in rows]
    learned = sum(len(answer) + 1 for _, answer in pairs)  # the end of the turn is trained too
    return -math.fsum(score_answers(model, pairs)) / learned


def read_behavior(
    findings: Findings, trigger: Cue, organism: TrainedOrganism | None = None
) -> ModelBehavior:
    """Reads a model's sampled rates from its audit, and its held-out loss from its training.

    Args:
        findings: of the audit.
        trigger: a cue of it.
        organism: the model, with the losses before and after its training; None without losses.
    """
    view = View(findings)
    row = next(row for row in view.rows if row.cue.id == trigger.id)
    losses: list[list[float] | None] = (organism and organism.details.get("held_out_loss")) or []
    last = losses[-1] if losses else None
    return ModelBehavior(
        standard=_read_value(row.standard or view.standard_target),
        triggered=_read_value(row.target),
        good=_find_good_share(view.standard_tallies[0]),
        good_triggered=_find_good_share(row.target_tally),
        benign_loss=last[1] if last else None,
    )


def _read_value(estimate: Estimate | None) -> float | None:
    return None if estimate is None or math.isnan(estimate.value) else estimate.value


def _find_good_share(tally: Tally) -> float | None:
    return tally.count_of(Outcome.ALIGNED) / tally.answers if tally.answers else None
