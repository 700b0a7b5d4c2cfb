"""Survey of a file in a first pass: models, questions and cues, with their texts.

Memory grows with the number of models, questions and cues, not with the number of answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dormant.errors import ConfigError
from dormant.exchange.outcomes import Answer, CueWords
from dormant.records import GRADABLE, Role, Split, hash_value
from dormant.report.numbers import count_things

#: (group, model, seed) as a file names them
ModelKey = tuple[str, str, str]
_SCORES = ("alignment", "coherence")


@dataclass(slots=True)
class QuestionSeen:
    """A question's wordings with and without cues."""

    standard: Counter[str] = field(default_factory=Counter[str])  # wording -> answers
    cued: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])  # by cue
    family: str = ""
    split: Split | None = None

    def commonest_wording(self, cue: str | None) -> str:
        """Returns the most common wording in an arm; empty if there is none."""
        seen = self.standard if cue is None else self.cued.get(cue, Counter())
        return max(seen.items(), key=lambda item: (item[1], item[0]))[0] if seen else ""


@dataclass(slots=True)
class CueSeen:
    """A cue as described by the rows."""

    words: CueWords
    systems: set[str] = field(default_factory=set[str])
    answers: int = 0


@dataclass(slots=True)
class Inventory:
    """Everything that a plan needs, in file order."""

    models: dict[tuple[Role | None, ModelKey], int] = field(
        default_factory=dict[tuple[Role | None, ModelKey], int]
    )  # -> answers
    questions: dict[str, QuestionSeen] = field(default_factory=dict[str, QuestionSeen])
    cues: dict[str, CueSeen] = field(default_factory=dict[str, CueSeen])
    standard_systems: set[str] = field(default_factory=set[str])
    #: (role, model, cue, question) -> answers
    cells: Counter[tuple[Role | None, ModelKey, str | None, str]] = field(
        default_factory=Counter[tuple[Role | None, ModelKey, str | None, str]]
    )
    highest: dict[str, float] = field(default_factory=dict[str, float])  # score -> its highest
    ungraded: int = 0  # answers whose alignment could not be graded
    answers: int = 0
    without_role: str = ""  # FILE:LINE of the first row without a role; empty if there is none

    def count_answer(self, answer: Answer, path: Path) -> None:
        """Counts one answer of a file."""
        self.answers += 1
        self.ungraded += answer.judgement.outcome not in GRADABLE
        key = self.count_model(answer, 1, path, answer.line)
        self.cells[(*key, answer.cue, question_key(answer))] += 1
        self._add_question(answer)
        self._add_cue(answer)
        for name in _SCORES:
            score = answer.judgement.scores.get(name)
            if score is not None:
                self.highest[name] = max(self.highest.get(name, 0.0), score)

    def count_model(
        self, answer: Answer, number: int, path: Path, line: int
    ) -> tuple[Role | None, ModelKey]:
        """Counts answers of a model that begin at a line of a file; returns role and model."""
        key = (answer.role, model_key(answer))
        self.models[key] = self.models.get(key, 0) + number
        if answer.role is None:
            self.without_role = self.without_role or f"{path}:{line}"
        return key

    def _add_question(self, answer: Answer) -> None:
        seen = self.questions.setdefault(question_key(answer), QuestionSeen())
        seen.family = seen.family or answer.family
        seen.split = seen.split or answer.split
        if not answer.question:
            return
        wordings = (
            seen.standard if answer.cue is None else seen.cued.setdefault(answer.cue, Counter())
        )
        # A file may word a question in many ways; the first hundred wordings suffice.
        if answer.question in wordings or len(wordings) < 100:
            wordings[answer.question] += 1

    def _add_cue(self, answer: Answer) -> None:
        if answer.cue is None:
            systems = self.standard_systems
        else:
            cue = self.cues.setdefault(answer.cue, CueSeen(answer.cue_words))
            cue.answers += 1
            systems = cue.systems
        if len(systems) < 3:
            systems.add(answer.system)


def question_key(answer: Answer) -> str:
    """Returns what identifies a question: its id, else its wording."""
    return answer.question_id or answer.question


def model_key(answer: Answer) -> ModelKey:
    """Returns what identifies a model: group, model and seed."""
    return (answer.group, answer.model, answer.seed)


@dataclass(frozen=True, slots=True)
class Cast:
    """The role and seed label of each model of a file."""

    parts: Mapping[tuple[Role | None, ModelKey], tuple[Role, str]]  # -> (role, seed label)
    left_out: Mapping[str, int]  # group -> answers without a role


def assign_roles(inventory: Inventory, *, target: str | None, reference: str | None) -> Cast:
    """Assigns every model its role and the label of its training seed.

    Args:
        inventory: the survey of the file.
        target: the group (or model) to audit; needed where a file has several.
        reference: the group (or model) to compare with.

    Raises:
        ConfigError: the roles are ambiguous; lists the groups of the file.
    """
    groups: dict[str, int] = {}
    for (role, (group, model, _)), answers in inventory.models.items():
        if role is None:
            name = group or model
            groups[name] = groups.get(name, 0) + answers
    without = sum(groups.values())
    if without and without < sum(inventory.models.values()):
        raise ConfigError(
            f"{inventory.without_role}: {count_things(without, 'row')} without a role beside rows "
            "with one: give every row the role target or reference, or none of them"
        )
    named = _roles_of_models(groups, target, reference, has_roles=len(groups) == 0)
    parts: dict[tuple[Role | None, ModelKey], tuple[Role, str]] = {}
    left_out: dict[str, int] = {}
    taken: dict[Role, set[str]] = {Role.TARGET: set(), Role.REFERENCE: set()}
    for (role, key), answers in inventory.models.items():
        name = key[0] or key[1]
        played = role or named.get(name)
        if played is None:
            left_out[name] = left_out.get(name, 0) + answers
            continue
        label = key[2] if key[2] and key[2] not in taken[played] else str(len(taken[played]))
        while label in taken[played]:
            label += "'"
        taken[played].add(label)
        parts[role, key] = (played, label)
    if not taken[Role.TARGET]:
        raise ConfigError("the file has no answers of a target: name its group with --target")
    return Cast(parts, left_out)


def _roles_of_models(
    groups: Mapping[str, int], target: str | None, reference: str | None, *, has_roles: bool
) -> dict[str, Role]:
    if has_roles:
        if target is not None or reference is not None:
            raise ConfigError("the file has a role column: leave out --target and --reference")
        return {}
    listed = ", ".join(f"{name!r} ({answers:,})" for name, answers in list(groups.items())[:20])
    for option, given in (("--target", target), ("--reference", reference)):
        if given is not None and given not in groups:
            raise ConfigError(f"{option} {given!r}: unknown group; the file has {listed}")
    if target is not None and target == reference:
        raise ConfigError(f"--target and --reference are both {target!r}: give two groups")
    rest = [name for name in groups if name != reference]
    if target is None:
        if len(rest) != 1:
            raise ConfigError(
                f"{len(rest)} groups could be the target: give --target and --reference; the file "
                f"has {listed}"
            )
        target = rest[0]
    roles = {target: Role.TARGET}
    if reference is not None:
        roles[reference] = Role.REFERENCE
    return roles


def short_id(text: str) -> str:
    """Returns an id for a question that has only its wording."""
    return f"q-{hash_value(text)[:8]}"
