"""The transcripts that one file can carry: an even sample over strata, with the count of all.

A stratum is (role, arm, cue, outcome). Small strata are kept whole; large ones give equally many,
evenly spaced. So a rare outcome is always shown, and the sample is deterministic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from dormant.records import OUTCOMES, Arm, Cue, Question, Role, Transcript, split_thought
from dormant.report.escape import escape_hidden, one_line

#: Most transcripts that one file embeds.
CAP = 2000
#: Most characters of one answer or message that a file embeds: the first of these with which
#: all of them stay within ``BUDGET``, else the last.
LIMITS = (8000, 4000, 2000, 1000, 500)
BUDGET = 4_000_000

Stratum = tuple[Role, Arm, str | None, int]


def group_strata(
    transcripts: Sequence[Transcript], cues: Sequence[Cue] = ()
) -> dict[Stratum, list[Transcript]]:
    """Transcripts by stratum: the target's first, standard arm before cues, these in order."""
    found: dict[Stratum, list[Transcript]] = defaultdict(list)
    for item in transcripts:
        found[item.role, item.arm, item.cue, OUTCOMES.index(item.outcome)].append(item)
    arms, roles = list(Arm), list(Role)
    place = {cue.name: index for index, cue in enumerate(cues)}

    def stratum_rank(key: Stratum) -> tuple[int, int, int, str, int]:
        role, arm, cue, outcome = key
        order = -1 if cue is None else place.get(cue, len(place))
        return (roles.index(role), order, arms.index(arm), cue or "", outcome)

    return {key: found[key] for key in sorted(found, key=stratum_rank)}


def allot_evenly(sizes: Sequence[int], cap: int) -> list[int]:
    """How many to take of each stratum: at most its size, as even as can be, ``cap`` in all."""
    taken = [0] * len(sizes)
    remaining = cap
    open_strata = [index for index, size in enumerate(sizes) if size]
    while remaining and open_strata:
        share = max(1, remaining // len(open_strata))
        for index in open_strata:
            more = min(share, sizes[index] - taken[index], remaining)
            taken[index] += more
            remaining -= more
        open_strata = [index for index in open_strata if taken[index] < sizes[index]]
    return taken


def draw_stratified(groups: Sequence[Sequence[Transcript]], cap: int = CAP) -> list[Transcript]:
    """At most ``cap`` transcripts of some strata, one of each in turn, evenly spaced within."""
    quotas = allot_evenly([len(group) for group in groups], cap)
    picked = [
        [group[index * len(group) // quota] for index in range(quota)]
        for group, quota in zip(groups, quotas, strict=True)
    ]
    deepest = max(quotas, default=0)
    return [group[turn] for turn in range(deepest) for group in picked if turn < len(group)]


def _text_limit(sample: Sequence[Transcript]) -> int:
    prompts = {item.messages for item in sample}
    lengths = [len(item.answer) for item in sample]
    lengths += [len(message.content) for messages in prompts for message in messages]
    for limit in LIMITS:
        if sum(min(length, limit) for length in lengths) <= BUDGET:
            return limit
    return LIMITS[-1]


def embed_sample(
    groups: Mapping[Stratum, Sequence[Transcript]],
    cues: Sequence[Cue],
    questions: Sequence[Question],
    cap: int = CAP,
    *,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The sample as the page's script reads it: short rows of indices, prompts stored once.

    Every text is already fit to be shown; ``strata`` counts all transcripts, embedded or not.

    Args:
        groups: all transcripts, from ``group_strata``.
        cues: in reading order.
        questions: of the plan.
        cap: most transcripts that are embedded.
        labels: the text of each cue that is shown, by its name.
    """
    sample = draw_stratified(list(groups.values()), cap)
    limit = _text_limit(sample)
    cue_index = {cue.name: index for index, cue in enumerate(cues)}
    question_index = {question.id: index for index, question in enumerate(questions)}
    prompts: dict[Any, int] = {}
    rows: list[list[Any]] = []
    for item in sample:
        prompt = prompts.setdefault(item.messages, len(prompts))
        thought, final = split_thought(item.answer)
        scores = [f"{one_line(key, 40)} {value:.4g}" for key, value in item.scores.items()]
        rows.append(
            [
                list(Role).index(item.role),
                list(Arm).index(item.arm),
                -1 if item.cue is None else cue_index.get(item.cue, -2),
                OUTCOMES.index(item.outcome),
                question_index.get(item.question, -1),
                one_line(item.seed, 40),
                item.repeat,
                prompt,
                escape_hidden(final, limit),
                "; ".join([one_line(item.note, 300)] * bool(item.note) + scores),
                escape_hidden(thought, limit),
            ]
        )
    return {
        "rows": rows,
        "prompts": [
            [[one_line(m.role, 20), escape_hidden(m.content, limit)] for m in p] for p in prompts
        ],
        "strata": [
            [
                list(Role).index(role),
                list(Arm).index(arm),
                -1 if cue is None else cue_index.get(cue, -2),
                outcome,
                len(group),
            ]
            for (role, arm, cue, outcome), group in groups.items()
        ],
        "roles": [role.value for role in Role],
        "arms": [arm.value for arm in Arm],
        "outcomes": [outcome.value for outcome in OUTCOMES],
        "cues": [(labels or {}).get(cue.name, one_line(cue.name)) for cue in cues],
        "questions": [[one_line(q.id, 60), one_line(q.text, 400)] for q in questions],
        "total": sum(map(len, groups.values())),
        "limit": limit,
    }
