"""Which questions an audit asks, in which half, and what its claims are therefore about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dormant.banks.bank import LANGUAGES
from dormant.banks.halves import choose_half, draw_halves
from dormant.config import AuditConfig
from dormant.errors import ConfigError
from dormant.pipeline.inputs import Inputs
from dormant.records import (
    AUTO,
    ClaimScope,
    Plan,
    Question,
    Rule,
    Split,
    count_families,
    has_families,
    hash_value,
)


@dataclass(frozen=True, slots=True)
class QuestionChoice:
    """The questions of an audit."""

    questions: tuple[Question, ...]  # screening, then held out
    claim: ClaimScope
    has_own_split: bool  # whether the user's file gives the halves


def refuse_claim_without_themes(claim: str, families: int) -> None:
    """Refuses claims about themes where no question has one: each would be a theme of its own.

    Args:
        claim: the setting, "themes", "questions" or "auto".
        families: how many families the questions have.

    Raises:
        ConfigError: says how to give them.
    """
    if claim == ClaimScope.THEMES and not families:
        raise ConfigError(
            "claim 'themes': the questions have no families: add a column or key 'family', or "
            "choose 'questions'"
        )


def choose_questions(config: AuditConfig, inputs: Inputs) -> QuestionChoice:
    """Chooses the questions of both halves, one of each family first.

    Raises:
        ConfigError: a half has fewer than two, or claims about themes lack themes.
    """
    limit = config.question_limit
    if limit is None and is_shipped(config.questions):
        limit = inputs.pack.usual_half
    rule = config.rule.to_record()
    bank, claim = split_bank(inputs, config.claim, rule, limit, config.seed)
    chosen: list[Question] = []
    for split in Split:
        half = choose_half(bank, split, config.seed, limit)
        if len(half) < 2:
            fix = (
                "add families (where the claim is about themes, each is in one half), or choose "
                "claim 'questions'"
                if claim is ClaimScope.THEMES and not has_fixed_halves(inputs)
                else "add questions (without a split they are divided between the halves)"
            )
            raise ConfigError(
                f"{config.questions}: {len(half)} {split.replace('_', '-')} questions; an audit "
                f"needs at least 2 in each half: {fix}"
            )
        chosen += half
    return QuestionChoice(tuple(chosen), claim, has_fixed_halves(inputs))


def choose_usual(questions: str, inputs: Inputs) -> tuple[Question, ...]:
    """Chooses what is asked where no number is given: of a file all, else as an audit by default.

    Args:
        questions: the setting.
        inputs: what was read by it.
    """
    limit, seed = inputs.pack.usual_half, AuditConfig.model_fields["seed"].default
    if limit is None or not is_shipped(questions):
        return inputs.bank
    bank, _ = split_bank(inputs, AUTO, Rule(), limit, seed)
    return tuple(q for split in Split for q in choose_half(bank, split, seed, limit))


def split_bank(
    inputs: Inputs, setting: str, rule: Rule, limit: int | None, seed: int
) -> tuple[tuple[Question, ...], ClaimScope]:
    """Gives each question of a bank its half, and decides what the claims are about.

    The halves of a user's file stay as they are, and those of a public evaluation, whose entries
    alternate. Others are drawn, and a family is in one half where the claim is about themes.

    Args:
        inputs: what was read.
        setting: of the claim.
        rule: the rule of the audit.
        limit: maximum number of questions in each half; None for all.
        seed: of the draw.

    Raises:
        ConfigError: claims are to be about themes, and the questions have none.
    """
    bank = inputs.bank
    families = count_families(bank)
    refuse_claim_without_themes(setting, families)
    asked = families if limit is None else min(families, 2 * limit)
    claim = rule.choose_claim(setting, asked)
    if has_fixed_halves(inputs):
        return bank, _check_themes_of_halves(bank, setting, claim)
    return draw_halves(bank, seed, keeps_families=claim is ClaimScope.THEMES), claim


def _check_themes_of_halves(
    bank: Sequence[Question], setting: str, claim: ClaimScope
) -> ClaimScope:
    """Makes no claim about themes where the file has one of them in both halves.

    What a cue does in a theme would be suspected and confirmed in the same theme.

    Raises:
        ConfigError: claims are to be about themes all the same; names one.
    """
    halves = [{q.family for q in bank if q.split is split} for split in Split]
    both = sorted(set.intersection(*halves))
    if not both or claim is not ClaimScope.THEMES:
        return claim
    if setting == ClaimScope.THEMES:
        raise ConfigError(
            f"claim 'themes': the file has {len(both):,} families in both halves, e.g. {both[0]!r},"
            " so a theme would confirm itself: put each in one half, remove the splits, or choose "
            "'questions'"
        )
    return ClaimScope.QUESTIONS


def has_fixed_halves(inputs: Inputs) -> bool:
    """Whether the file of questions decides the halves, and not the seed."""
    return inputs.has_own_split or inputs.evaluation is not None


def is_shipped(questions: str) -> bool:
    """Whether a setting names a bank that ships."""
    return questions == "auto" or questions in LANGUAGES


# Plans that were frozen before ----------------------------------------------------------------


def hash_question_settings(config: AuditConfig, inputs: Inputs) -> str:
    """Hashes the settings and files that decide which questions an audit asks.

    The questions that ship are left out: these may differ between versions.
    """
    own = () if is_shipped(config.questions) else inputs.bank
    place = inputs.pack.name if is_shipped(config.questions) else ""
    return hash_value([place, own, config.question_limit, config.claim])


def may_have_asked(config: AuditConfig, inputs: Inputs, earlier: Plan) -> bool:
    """Whether these settings may have chosen the questions of a plan that stored no settings.

    Such plans are from before claims and from before halves were drawn.
    """
    if config.claim not in (AUTO, ClaimScope.QUESTIONS):
        return False
    halves = [[q for q in earlier.questions if q.split is split] for split in Split]
    limit = config.question_limit
    if limit is not None and max(map(len, halves)) > limit:
        return False
    if is_shipped(config.questions):
        return _shares_family(earlier.questions, inputs.bank)
    texts = {question.text for question in inputs.bank}
    asked = {question.text for question in earlier.questions}
    return asked <= texts and (limit is not None or asked == texts)


def _shares_family(one: Sequence[Question], other: Sequence[Question]) -> bool:
    """Whether two sets of questions are of one bank, as far as their families tell."""
    families = {question.family for question in other}
    return has_families(one) and any(question.family in families for question in one)
