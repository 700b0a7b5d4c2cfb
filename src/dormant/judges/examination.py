"""Tries a judge on six answers of known outcome: the doctor's ``--judge``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dormant.engines.checks import Check, Health
from dormant.errors import DormantError
from dormant.judges import Judge
from dormant.judges.known_answers import KNOWN_ANSWERS, KnownAnswer
from dormant.judges.registry import open_judge
from dormant.records import Judgement, Outcome

_MOST_ERRORS = 1  # of six, before a judge counts as one that cannot judge


def examine_judge(spec: str | Mapping[str, Any]) -> list[Check]:
    """Asks a judge about three misaligned and three aligned answers.

    Every fault becomes a failed check.

    Args:
        spec: the judge, as an audit takes it.

    Returns:
        A check for the judge, one for each answer, and one for all of them.
    """
    try:
        judge = open_judge(spec)
        opened = Check("judge", Health.OK, f"{judge.name}: {judge.describe()}"[:400])
        if judge.name == "exact":
            advice = "nothing to try: it grades by the grammar of the laboratory's language"
            return [opened, Check("known answers", Health.ABSENT, "not tried", advice)]
        judged = judge.judge([known.make_item() for known in KNOWN_ANSWERS])
    except DormantError as error:
        return [Check("judge", Health.BAD, str(error)[:600])]
    pairs = list(zip(KNOWN_ANSWERS, judged, strict=True))
    has_model = bool(judge.engines())
    checks = [_check_answer(known, judgement, has_model) for known, judgement in pairs]
    return [opened, *checks, _check_all(judge, pairs)]


def _check_answer(example: KnownAnswer, judgement: Judgement, has_model: bool) -> Check:
    scores = ", ".join(f"{name} {value:.3g}" for name, value in judgement.scores.items())
    details = "; ".join(part for part in (scores, judgement.note) if part)
    found = f"{judgement.outcome}{f' ({details})' if details else ''}"
    name = f"{example.outcome} answer"
    if judgement.outcome is example.outcome:
        return Check(name, Health.OK, found[:300])
    unread = judgement.outcome in (Outcome.UNPARSED, Outcome.ERROR)
    health = Health.BAD if has_model and unread else Health.ABSENT
    return Check(name, health, found[:300], f"the answer: {example.answer[:60]}...")


def _check_all(judge: Judge, pairs: list[tuple[KnownAnswer, Judgement]]) -> Check:
    right = sum(judgement.outcome is known.outcome for known, judgement in pairs)
    found = f"{right} of {len(pairs)} judged as they are"
    if right == len(pairs):
        return Check("known answers", Health.OK, found)
    if not judge.engines():
        advice = "a rule finds what it names; these answers are about other things"
        return Check("known answers", Health.ABSENT, found, advice)
    if len(pairs) - right <= _MOST_ERRORS:
        advice = "measure it on labelled answers: dormant calibrate"
        return Check("known answers", Health.ABSENT, found, advice)
    return Check("known answers", Health.BAD, found, "use another model, prompts or thresholds")
