"""How far two model judges agree on the same answers, from the scores on record.

::

    RUN/agreement.json
      plan_hash, first, second   the run; the judge that decides and the one beside it
      outcomes                   order of the rows and columns of each confusion
      sentences                  the summary, one for each entry of agreement, and of the model
      agreement                  over all answers, and in each role and arm
      latent_classes             answers, judges (judge, sensitivity, specificity), effects (cue,
                                 did, judged_did), reason: several judges as a latent-class model
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dormant.calibration import metrics as measures
from dormant.calibration.correction import question_order
from dormant.calibration.grades import grade_of
from dormant.calibration.latent import describe_classes, fit_judges
from dormant.calibration.metrics import GRADES, Interval, Posterior
from dormant.records import OUTCOMES, Arm, Outcome, Role, Transcript, to_plain
from dormant.store import write_atomically

#: Where a second judge's outcome and scores stand in a transcript (``judges.panel``).
_SECOND = "fused_"
_DRAWS = 8000


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges on the same answers of one arm."""

    role: Role | None  # None for all answers
    arm: Arm | None
    answers: int
    same_outcome: float  # share of answers with the same of all outcomes
    kappa: Interval  # over misaligned, aligned, ungradable
    first_rate: float  # misaligned / gradable of the judge that decides
    second_rate: float
    rate_difference: Interval  # second minus first, paired by answer; questions drawn again
    alignment_difference: float  # mean absolute difference of alignment, in points of 100
    confusion: tuple[tuple[int, ...], ...]  # answers by (first, second), each in OUTCOMES' order
    left_out: int = 0  # answers that one of the judges failed to judge, in none of the above


def judges_agreement(
    transcripts: Sequence[Transcript],
    *,
    level: float = 0.95,
    draws: int = _DRAWS,
    seed: int = 0,
) -> Iterator[Agreement]:
    """Agreement over all answers and in each arm; nothing if only one judge graded them."""
    both = [t for t in transcripts if f"{_SECOND}outcome" in t.scores]
    if not any(map(_is_judged, both)):
        return
    yield _measure_agreement(None, None, both, level=level, draws=draws, seed=seed)
    for role, arm in sorted({(t.role, t.arm) for t in both}):
        arm_rows = [t for t in both if (t.role, t.arm) == (role, arm)]
        if any(map(_is_judged, arm_rows)):
            yield _measure_agreement(role, arm, arm_rows, level=level, draws=draws, seed=seed)


def _is_judged(transcript: Transcript) -> bool:
    """Whether both judges gave a judgement, be it that the answer cannot be graded."""
    second = OUTCOMES[int(transcript.scores[f"{_SECOND}outcome"])]
    return Outcome.ERROR not in (transcript.outcome, second)


def _measure_agreement(
    role: Role | None,
    arm: Arm | None,
    asked: Sequence[Transcript],
    *,
    level: float,
    draws: int,
    seed: int,
) -> Agreement:
    rows = [row for row in asked if _is_judged(row)]
    order = question_order(rows)
    tables = np.zeros((len(order), GRADES, GRADES))
    confusion = np.zeros((len(OUTCOMES), len(OUTCOMES)), dtype=np.int64)
    apart = list[float]()
    for row in rows:
        second = OUTCOMES[int(row.scores[f"{_SECOND}outcome"])]
        tables[order[row.question], grade_of(row.outcome), grade_of(second)] += 1
        confusion[OUTCOMES.index(row.outcome), OUTCOMES.index(second)] += 1
        scores = [row.scores.get(name) for name in ("alignment", f"{_SECOND}alignment")]
        if scores[0] is not None and scores[1] is not None:
            apart.append(abs(scores[0] - scores[1]))
    rng, counts = np.random.default_rng(seed), tables.sum(0)
    weights = measures.question_weights(len(order), draws=draws, rng=rng)
    drawn = np.einsum("dq,qcl->dcl", weights, tables)
    drawn = drawn + rng.standard_gamma(1 / GRADES**2, drawn.shape)
    kappa = Posterior(
        float(measures.cohens_kappa(counts)), measures.cohens_kappa(drawn), (-1.0, 1.0)
    )
    difference = Posterior(
        float(_misaligned_rate(counts.sum(0)) - _misaligned_rate(counts.sum(1))),
        _misaligned_rate(drawn.sum(-2)) - _misaligned_rate(drawn.sum(-1)),
        (-1.0, 1.0),
    )
    return Agreement(
        role=role,
        arm=arm,
        answers=len(rows),
        same_outcome=float(np.trace(confusion)) / len(rows),
        kappa=kappa.to_interval(level, "both judges give all answers one grade"),
        first_rate=float(_misaligned_rate(counts.sum(1))),
        second_rate=float(_misaligned_rate(counts.sum(0))),
        rate_difference=difference.to_interval(level, "a judge finds no answer gradable"),
        alignment_difference=float(np.mean(apart)) if apart else math.nan,
        confusion=tuple(tuple(int(n) for n in line) for line in confusion),
        left_out=len(asked) - len(rows),
    )


def _misaligned_rate(grades: measures.Floats) -> measures.Floats:
    """Misaligned / gradable, [...], of counts of the grades, [..., GRADES]; NaN without any."""
    gradable = grades[..., 0] + grades[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(gradable > 0, grades[..., 0] / gradable, np.nan)


def write_sentence(found: Agreement, first: str, second: str) -> str:
    """Agreement in words, as the command prints it and the report shows it."""
    where = f"{found.role} {found.arm}" if found.role and found.arm else "all answers"
    kappa, apart = found.kappa, found.rate_difference
    if math.isnan(kappa.value):
        agreed = f"kappa is not defined ({kappa.reason})"
    else:
        agreed = f"kappa {kappa.value:.2f} [{kappa.low:.2f}, {kappa.high:.2f}]"
    if math.isnan(apart.value):
        rates = f"the difference of their rates is not defined ({apart.reason})"
    else:
        moved, low, high = (100 * x for x in (apart.value, apart.low, apart.high))
        rates = (
            f"misaligned {100 * found.first_rate:.1f}% and {100 * found.second_rate:.1f}% of the "
            f"gradable, {moved:+.1f} points [{low:+.1f}, {high:+.1f}]"
        )
    return (
        f"{where}: {first} and {second} give {100 * found.same_outcome:.1f}% of {found.answers:,} "
        f"answers the same outcome; {agreed}; {rates}"
        + (f"; {found.left_out:,} more lack a judgement and are left out" if found.left_out else "")
    )


def list_disagreements(found: Agreement, most: int = 3) -> list[str]:
    """The commonest ways in which the judges differ, e.g. ``aligned / misaligned 12``."""
    pairs = [
        (number, f"{OUTCOMES[i]} / {OUTCOMES[j]} {number:,}")
        for i, line in enumerate(found.confusion)
        for j, number in enumerate(line)
        if i != j and number
    ]
    return [text for _, text in sorted(pairs, key=lambda pair: -pair[0])[:most]]


def _list_failures(transcripts: Sequence[Transcript], judges: Sequence[str]) -> Iterator[str]:
    """Says how many answers each judge beside the first failed to judge."""
    for place, judge in enumerate(judges[1:], 1):
        name = f"{_SECOND * place}outcome"
        given = [OUTCOMES[int(t.scores[name])] for t in transcripts if name in t.scores]
        failed = sum(outcome is Outcome.ERROR for outcome in given)
        if failed:
            yield (
                f"{judge} gave no reply to {failed:,} of {len(given):,} answers; the same command "
                "again asks it about these"
            )


def write_agreement(
    run: Path,
    transcripts: Sequence[Transcript],
    *,
    plan_hash: str,
    judges: Sequence[str],
    triggers: Sequence[str] = (),
) -> tuple[str, ...]:
    """Writes ``agreement.json`` and returns its sentences.

    Args:
        run: the run directory.
        transcripts: every judged answer.
        plan_hash: of the run's plan.
        judges: the judge that decides and those beside it; the first two are compared.
        triggers: names of the cues whose effects under the latent-class model are stated.
    """
    first, second = judges[:2]
    found = list(judges_agreement(transcripts))
    sentences = [write_sentence(entry, first, second) for entry in found]
    if found and (ways := list_disagreements(found[0])):
        sentences[0] += f"; they differ most in {', '.join(ways)}"
    sentences += _list_failures(transcripts, judges)
    classes = fit_judges(transcripts, judges)
    if classes is not None:
        sentences.append(describe_classes(classes, triggers))
    record = {
        "plan_hash": plan_hash,
        "first": first,
        "second": second,
        "outcomes": [str(outcome) for outcome in OUTCOMES],
        "sentences": sentences,
        "agreement": [to_plain(entry) for entry in found],
        "latent_classes": None if classes is None else to_plain(classes),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(run / "agreement.json", text)
    return tuple(sentences)
