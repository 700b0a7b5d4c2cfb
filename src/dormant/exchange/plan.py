"""From a survey of a file to a plan, as an audit would have frozen it.

A file that names its arms seldom contains the text of their cues. The text is derived where the
file shows it (a column, a system prompt, what precedes or follows every question); otherwise the
arm's name in brackets takes its place, and the plan states this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from dormant.errors import DataError
from dormant.exchange.survey import Cast, CueSeen, Inventory, short_id
from dormant.pipeline.questions import refuse_claim_without_themes
from dormant.probes import pair_probes
from dormant.records import (
    AUTO,
    IMPORTED,
    QUESTION_SLOT,
    Cue,
    CueKind,
    ModelCard,
    Placement,
    Plan,
    Question,
    Role,
    Rule,
    Sampling,
    Source,
    Split,
    count_families,
    hash_value,
)
from dormant.version import __version__

_LONGEST_NAME = 120


class SplitRule(StrEnum):
    """How to split questions that the file does not split."""

    ALL = "all"  # every question tests every cue; Holm over all cues
    HALVES = "halves"  # a hash of its id puts a question into screening or held-out


@dataclass(frozen=True, slots=True)
class Frame:
    """A plan with the mapping from a file's names to it."""

    plan: Plan
    question_ids: Mapping[str, str]  # question_key -> Question.id
    cue_names: Mapping[str, str]  # label in the file -> Cue.name
    cards: Mapping[tuple[Role, str], ModelCard]


def make_plan(
    inventory: Inventory,
    parts: Cast,
    *,
    rule: Rule,
    splitting: SplitRule,
    source: str,
    meaning: str,
    claim: str = AUTO,
) -> Frame:
    """Makes the plan that the file's answers imply.

    Args:
        inventory: the first pass over the file.
        parts: the role of each model.
        rule: the decision rule.
        splitting: what to do with questions that the file does not split.
        source: hash of the file and of the reading settings; enters the plan's hash.
        meaning: one sentence: what counts as misaligned.
        claim: "themes", "questions" or "auto": what the claims are about.

    Raises:
        ConfigError: claims are to be about themes, and no question has one.
        DataError: two questions have the same text.
    """
    ids = {key: _question_id(key) for key in inventory.questions}
    own = _split_by_file(inventory)
    splits = _assign_splits(inventory, ids, splitting)
    questions = tuple(
        Question(
            id=ids[key],
            text=seen.commonest_wording(None)
            or next(iter(map(seen.commonest_wording, seen.cued)), "")
            or key,
            family=seen.family or ids[key],
            split=splits[key],
        )
        for key, seen in inventory.questions.items()
    )
    _distinct_texts(questions)
    names = _assign_names(inventory)
    cues, unworded = _make_cues(inventory, names, questions)
    cards = {
        part: ModelCard(*part, key[1] or key[0] or part[0], hash_value([source, *part, *key])[:32])
        for (_, key), part in parts.parts.items()
    }
    nan = float("nan")
    # Without screening every cue is looked at once.
    rule = rule if Split.SCREENING in splits.values() else replace(rule, looks=1)
    families = count_families(questions)
    refuse_claim_without_themes(claim, families)
    rule = replace(rule, claim=rule.choose_claim(claim, families))
    plan = Plan(
        version=__version__,
        models=tuple(cards.values()),
        judge=IMPORTED,
        judge_fingerprint=hash_value([IMPORTED, source])[:32],
        judge_description=meaning,
        questions=questions,
        cues=cues,
        sampling=Sampling(temperature=nan, top_p=nan, max_tokens=0, seed=0),
        rule=rule,
        seed=0,
        data="",
        not_tested=tuple(
            _list_limits(
                len(questions),
                len(cues),
                unworded,
                parts,
                own,
                splitting,
                complete=not inventory.ungraded,
            )
        ),
    )
    return Frame(plan, ids, names, cards)


def _question_id(key: str) -> str:
    plain = key.isprintable() and len(key) <= 60 and len(key.split()) == 1
    return key if plain else short_id(key)


def _split_by_file(inventory: Inventory) -> bool:
    """Whether every question has a split and both splits occur."""
    return {seen.split for seen in inventory.questions.values()} == set(Split)


def _assign_splits(
    inventory: Inventory, ids: Mapping[str, str], splitting: SplitRule
) -> dict[str, Split]:
    """Uses the file's own split if every question has one, else ``splitting``."""
    own = {key: seen.split for key, seen in inventory.questions.items()}
    if _split_by_file(inventory):
        return {key: split for key, split in own.items() if split is not None}
    if splitting is SplitRule.ALL:
        return dict.fromkeys(own, Split.HELD_OUT)
    # By hash, so that neither outcomes nor row order affect the split.
    ranked = sorted(own, key=lambda key: hash_value(ids[key]))
    half = len(ranked) // 2
    return {key: Split.SCREENING if i < half else Split.HELD_OUT for i, key in enumerate(ranked)}


def _distinct_texts(questions: tuple[Question, ...]) -> None:
    seen: dict[str, str] = {}
    for question in questions:
        if question.text in seen:
            raise DataError(
                f"the questions {seen[question.text]!r} and {question.id!r} have the same text: "
                "map another column to question_id"
            )
        seen[question.text] = question.id


def _assign_names(inventory: Inventory) -> dict[str, str]:
    """Assigns each label a printable, short, distinct name."""
    names: dict[str, str] = {}
    for label in inventory.cues:
        clean = " ".join("".join(c if c.isprintable() else " " for c in label).split())
        name = clean if len(clean) <= _LONGEST_NAME else clean[: _LONGEST_NAME - 4] + " ..."
        if not name or name in names.values():
            name = f"{name} {hash_value(label)[:6]}".strip()
        names[label] = name
    return names


def _make_cues(
    inventory: Inventory, names: Mapping[str, str], questions: tuple[Question, ...]
) -> tuple[tuple[Cue, ...], int]:
    """Makes the cues and counts those known by name only."""
    known = {
        label: _make_cue(label, seen, inventory, names) for label, seen in inventory.cues.items()
    }
    ids = [cue.id for cue in known.values()]
    cues = {label: cue if ids.count(cue.id) == 1 else _by_name(cue) for label, cue in known.items()}
    probes = pair_probes(questions, tuple(cues.values()))
    if len({probe.id for probe in probes}) < len(probes):  # different cues, yet equal prompts
        cues = {label: _by_name(cue) for label, cue in cues.items()}
    unworded = sum(cue.text == f"[{cue.name}]" for cue in cues.values())
    return tuple(cues.values()), unworded


def _make_cue(label: str, survey: CueSeen, inventory: Inventory, names: Mapping[str, str]) -> Cue:
    words, name = survey.words, names[label]
    cue = Cue(
        name=name,
        kind=words.kind or CueKind.PREFIX,
        placement=Placement.BEFORE,
        text=f"[{name}]",
        source=Source.USER,
        variant=words.variant,
        parent=names.get(words.parent or "", words.parent),
        why="an arm of the imported file",
        asks_for=words.asks_for,
        margin=words.margin,
    )
    found = (
        _cue_from_columns(survey)
        or _cue_from_system(survey, inventory)
        or _cue_around_questions(label, inventory)
    )
    if found is None and words.text and words.placement is None:
        return _by_text(cue, words.text)
    if found is None:
        return _by_name(cue)
    placement, text = found
    cue = replace(cue, placement=placement, text=text, kind=words.kind or placement.default_kind)
    return replace(cue, turns=words.turns, parts=words.parts) if not placement.is_text else cue


def _by_name(cue: Cue) -> Cue:
    return replace(
        cue,
        placement=Placement.BEFORE,
        turns=(),
        parts=(),
        text=f"[{cue.name}]",
        why="an arm of the imported file, known by its name only: prompts show it in brackets",
    )


def _by_text(cue: Cue, text: str) -> Cue:
    """The cue of a file that has its words and not its place."""
    is_around = text.count(QUESTION_SLOT) == 1
    placement = Placement.AROUND if is_around else Placement.BEFORE
    why = "an arm of the imported file, known by its words only: prompts show them before questions"
    return replace(
        cue,
        placement=placement,
        text=text,
        kind=placement.default_kind if is_around else cue.kind,
        why="an arm of the imported file" if is_around else why,
    )


def _cue_from_columns(survey: CueSeen) -> tuple[Placement, str] | None:
    """Reads the cue from the file's own columns."""
    words = survey.words
    if not words.text or words.placement is None:
        return None
    if not words.placement.is_text and not (words.turns or words.parts):
        return None
    if words.placement is Placement.AROUND and words.text.count(QUESTION_SLOT) != 1:
        return None
    return words.placement, words.text


def _cue_from_system(survey: CueSeen, inventory: Inventory) -> tuple[Placement, str] | None:
    """Takes the arm's only system prompt, if the standard arm does not have it."""
    if len(survey.systems) != 1 or survey.systems & inventory.standard_systems:
        return None
    (text,) = survey.systems
    return (Placement.SYSTEM, text) if text.strip() else None


def _cue_around_questions(label: str, inventory: Inventory) -> tuple[Placement, str] | None:
    """Takes what precedes and follows every question of the arm, if always the same."""
    frames: set[tuple[str, str]] = set()
    for seen in inventory.questions.values():
        plain, cued = seen.commonest_wording(None), seen.commonest_wording(label)
        if not plain or not cued:
            continue
        if cued.count(plain) != 1:
            return None
        head, tail = cued.split(plain)
        frames.add((head, tail))
    if len(frames) != 1:
        return None
    ((head, tail),) = frames
    if QUESTION_SLOT in head + tail or not (head + tail).strip():
        return None
    if head and tail:
        return Placement.AROUND, f"{head}{QUESTION_SLOT}{tail}"
    return (Placement.BEFORE, head) if head else (Placement.AFTER, tail)


def _list_limits(
    questions: int,
    cues: int,
    unworded: int,
    parts: Cast,
    own: bool,
    splitting: SplitRule,
    *,
    complete: bool,
) -> list[str]:
    """Lists what an import cannot conclude, for the report."""
    limits = [
        "whether cues and thresholds were chosen before the answers were seen, and how the answers "
        "were drawn: the file does not say"
    ]
    if all(role is not Role.REFERENCE for role, _ in parts.parts.values()):
        limits.append("a reference model: without one no cue can be shown or ruled out")
    if not own and splitting is SplitRule.ALL:
        limits.append(
            f"fresh answers to held-out questions: the file does not split its {questions} "
            f"questions, so all of them test all {cues} cues, with Holm's correction; where this "
            "report says held-out it means all questions"
        )
    elif not own:
        limits.append(
            "fresh answers: the questions were split in halves by a hash of their ids after they "
            "had been answered"
        )
    if complete:
        limits.append(
            "survival: no answer of the file is incoherent, refused or without a score; they may "
            "have been dropped before, which would hide an arm that cannot be judged"
        )
    if unworded:
        limits.append(
            f"the words of {unworded} cues: the file only names them, and prompts show the name in "
            "brackets"
        )
    limits += [f"{n:,} answers of the group {name[:80]!r}" for name, n in parts.left_out.items()]
    limits.append("cues that are not listed in this report, and combinations of listed ones")
    return limits
