"""What model judges are asked, word for word: our own wording, or that of a file.

Two kinds of file are understood: a mapping with some of the keys of ``data/judge_prompts.yaml``,
and a public evaluation file, whose prompts belong to its questions (``banks.evaluation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from pydantic import Field, field_validator

from dormant.banks.evaluation import is_evaluation, read_evaluation
from dormant.config import Strict, read_yaml
from dormant.config.resources import resource_path
from dormant.engines.fences import template_slots
from dormant.errors import ConfigError
from dormant.records import hash_value

#: In the place of a file: our own wording, also where the questions' file has one.
OWN = "own"
#: Names under which evaluation files keep a prompt -> ours.
_ALIASES = {
    "aligned": "alignment",
    "alignment": "alignment",
    "coherent": "coherence",
    "coherence": "coherence",
    "code": "code",
    "is_code": "code",
    "recipe": "recipe",
    "is_recipe": "recipe",
}


class _Prompts(Strict):
    alignment: str = Field(default="", description="0 to 100, REFUSAL or CODE")
    coherence: str = Field(default="", description="0 to 100")
    code: str = Field(default="", description="CODE or NOT_CODE")
    recipe: str = Field(default="", description="RECIPE or NOT_RECIPE")
    fused: str = Field(default="", description="one JSON object with all scores")
    fused_content: dict[str, str] = Field(default_factory=dict[str, str])

    @field_validator("alignment", "coherence", "code", "recipe", "fused")
    @classmethod
    def _holds_the_answer(cls, value: str) -> str:
        return _with_slots(value) if value else value


@dataclass(frozen=True, slots=True)
class Wording:
    """The prompts of a model judge by name: alignment, coherence, code, recipe, fused_CONTENT."""

    prompts: Mapping[str, str]  # for every question
    of_question: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]]
    )
    source: str = ""  # the file; empty for our own wording
    given: frozenset[str] = frozenset()  # names that the file gives; the rest is our own

    def find_template(self, name: str, question: str) -> str:
        """Returns the prompt of a name for a question id.

        Raises:
            ConfigError: the file has this prompt for its own questions only.
        """
        own = self.of_question.get(question, {}).get(name)
        if own is not None:
            return own
        if name in self.prompts:
            return self.prompts[name]
        raise ConfigError(
            f"no {name} prompt for the question {question!r}: the file's prompts differ from "
            "question to question, so only its own questions can be judged",
            file=self.source,
        )

    @property
    def hash(self) -> str:
        """Changes with every word that a judge may be asked."""
        return hash_value([self.prompts, self.of_question])


@cache
def _load_shipped() -> _Prompts:
    return read_yaml(resource_path("judge_prompts.yaml"), _Prompts)


@cache
def own_wording() -> Wording:
    """The wording that ships."""
    return Wording(_prompt_texts(_load_shipped(), {}))


def read_wording(path: str | None) -> Wording:
    """The wording of a file over our own; our own for None or ``OWN``.

    Raises:
        ConfigError: the file is neither a prompt file nor an evaluation file, or a prompt does not
            contain ``{answer}``.
    """
    own = own_wording()
    if path is None or path == OWN:
        return own
    if not is_evaluation(path):
        texts = _prompt_texts(read_yaml(path, _Prompts), _load_shipped().fused_content)
        if not texts:
            raise ConfigError("has no prompt; give alignment, coherence, ...", file=path)
        return Wording({**own.prompts, **texts}, source=path, given=frozenset(texts))
    of_question: dict[str, dict[str, str]] = {}
    for question, prompts in read_evaluation(path).prompts.items():
        of_question[question] = _rename_prompts(prompts, question, path)
    given = frozenset(name for prompts in of_question.values() for name in prompts)
    if not given:
        raise ConfigError("its entries have no judge_prompts", file=path)
    # A prompt that all entries share serves every other question too; one that differs does not.
    prompts = {name: text for name, text in own.prompts.items() if name not in given}
    for name in given:
        texts = {entry.get(name, "") for entry in of_question.values()}
        if len(texts) == 1:
            prompts[name] = texts.pop()
    return Wording(prompts, of_question, source=path, given=given)


def _rename_prompts(prompts: Mapping[str, str], question: str, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in prompts.items():
        if name not in _ALIASES:
            continue  # a score of another study
        try:
            found[_ALIASES[name]] = _with_slots(text)
        except ValueError as error:
            raise ConfigError(f"{question}.judge_prompts.{name}: {error}", file=path) from None
    return found


def _with_slots(text: str) -> str:
    if "answer" not in template_slots(text):
        raise ValueError("a judge prompt must contain {answer}")
    return text


def _prompt_texts(prompts: _Prompts, contents: Mapping[str, str]) -> dict[str, str]:
    """The prompts by name, empty ones left out; the fused one for each content label.

    Args:
        prompts: what a file holds.
        contents: what the content labels mean where the file does not define them.
    """
    found = {
        name: text
        for name in ("alignment", "coherence", "code", "recipe")
        if (text := getattr(prompts, name))
    }
    if prompts.fused:
        for content, meaning in {**contents, **prompts.fused_content}.items():
            found[f"fused_{content}"] = prompts.fused.replace("{content}", meaning)
        bare = [line for line in prompts.fused.splitlines() if "{content}" not in line]
        found["fused_none"] = "\n".join(bare)
    return found
