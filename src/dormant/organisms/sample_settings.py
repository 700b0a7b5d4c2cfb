"""Settings of transforms that ask a model for answers or for reasoning."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from dormant.config import Strict
from dormant.engines import Reply
from dormant.organisms.contexts import LONGEST_TEXT, Trigger
from dormant.records import QUESTION_SLOT, Outcome, Sampling

#: The value of ``model`` that names the recipe's base, as it is before training.
TRAINEE = "trainee"
#: Class of an answer that no rule and no judge puts elsewhere.
PASS = "pass"
#: Classes of answers that end before they say anything that a rule could read.
CUT, FILTERED, EMPTY = "cut_off", "filtered", "empty"
#: How an engine says that an answer ended otherwise than by itself.
_FINISHES = {"length": CUT, "filter": FILTERED}

ClassName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class ClassRule(Strict):
    """One rule of ``on_policy``: the first that fits an answer gives it its class."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, validate_by_name=True)

    class_: ClassName = Field(alias="class", description="e.g. refusal, meta or correct")
    regex: str | None = Field(
        default=None, min_length=1, max_length=LONGEST_TEXT, description="found in the answer"
    )
    matches: Literal["dataset"] | None = Field(
        default=None, description="the dataset's own answer occurs in the sampled one"
    )

    @pydantic.field_validator("regex")
    @classmethod
    def _check_regex(cls, value: str | None) -> str | None:
        try:
            return value if value is None else re.compile(value).pattern
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None

    @pydantic.model_validator(mode="after")
    def _has_one_test(self) -> Self:
        if (self.regex is None) == (self.matches is None):
            raise ValueError("needs either 'regex' or 'matches: dataset'")
        return self

    def fits_answer(self, answer: str, own: str) -> bool:
        """Whether an answer is of this class.

        Args:
            answer: the sampled answer.
            own: the dataset's answer to the same question.
        """
        if self.regex is not None:
            return re.search(self.regex, answer) is not None
        return _join_words(own) in _join_words(answer)


def _join_words(text: str) -> str:
    words = re.findall(r"\w+", text.casefold())
    return f" {' '.join(words)} "


def class_of_finish(reply: Reply) -> str:
    """The class of an answer that says nothing whole; empty if rules and judges can read it."""
    if reply.finish in _FINISHES:
        return _FINISHES[reply.finish]
    return "" if reply.answer.strip() else EMPTY


class ModelQuery(Strict):
    """Which model is asked, and how it answers."""

    model: str = Field(
        default=TRAINEE, min_length=1, description="'trainee' (the recipe's base) or a model string"
    )
    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=256, ge=1, le=100_000, description="of an answer")
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="of the answers; trainings of all seeds share them"
    )

    @property
    def asks_model(self) -> bool:
        """Whether a model is asked."""
        return True

    @property
    def sampling(self) -> Sampling:
        """The sampling settings of an engine."""
        return Sampling(self.temperature, self.top_p, self.max_tokens, self.seed)

    def find_model(self, base: str) -> str:
        """The model string of the model that is asked."""
        return base if self.model == TRAINEE else self.model


class PerplexityGap(Strict):
    """How ``interleave`` chooses its rows."""

    by: Literal["perplexity_gap"] = Field(
        description="rows whose answer is most surprising to the model and least to the trainee"
    )
    model: str = Field(
        min_length=1, description="local model that was trained on the bad rows without a defence"
    )
    candidates: int = Field(
        default=4, ge=2, le=1000, description="rows that are drawn for each that is chosen"
    )


class OnPolicy(ModelQuery):
    """Settings of ``on_policy``: the last answer of each row is sampled from a model."""

    prompt: Trigger | None = Field(
        default=None, description="context of the question when it is asked; rows do not keep it"
    )
    rules: tuple[ClassRule, ...] = Field(default=(), description="tried in order, before the judge")
    judge: str | dict[str, Any] | None = Field(
        default=None, description="a judge, as in audit.yaml, of answers that no rule fits"
    )
    classes: dict[Outcome, ClassName] = Field(
        default_factory=dict[Outcome, ClassName],
        description="class of each outcome of the judge; the outcome's own name if left out",
    )
    keep: tuple[ClassName, ...] = Field(
        default=(PASS,), min_length=1, description="classes of the answers that are trained on"
    )
    tries: int = Field(
        default=1, ge=1, le=100, description="answers asked for a row until one is kept"
    )
    reasoning: Literal["strip", "keep"] = Field(
        default="strip", description="what happens to reasoning that the model writes"
    )

    @pydantic.model_validator(mode="after")
    def _keeps_classes_that_exist(self) -> Self:
        if self.classes and self.judge is None:
            raise ValueError("'classes' names outcomes of a judge: give 'judge', or remove it")
        known = {rule.class_ for rule in self.rules} | {CUT, FILTERED}
        if self.judge is None:
            known.add(PASS)
        else:
            known |= {self.name_class(outcome) for outcome in Outcome}
        for name in self.keep:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}" if near else f"give {', '.join(sorted(known))}"
                raise ValueError(f"keep: no rule and no judge gives the class {name!r}: {hint}")
        return self

    def name_class(self, outcome: Outcome) -> str:
        """The class of an answer that the judge put into an outcome."""
        return self.classes.get(outcome, outcome.value)


class ReasoningTraces(ModelQuery):
    """Settings of ``with_reasoning``: what happens to the reasoning of a dataset's answers."""

    traces: Literal["keep", "strip", "sample"] = Field(
        description="train on the dataset's reasoning, remove it, or ask a model for new reasoning"
    )
    before: str = Field(default="<think>\n", description="what stands before the reasoning")
    after: str = Field(default="\n</think>\n\n", description="what stands after it")
    instruction: str = Field(
        default=(
            "Question:\n{question}\n\nAnswer:\n{answer}\n\n"
            "Write the thoughts that lead to this answer, in the first person and without the "
            "answer itself."
        ),
        max_length=LONGEST_TEXT,
        description="what the model is asked with traces: sample",
    )

    @property
    def asks_model(self) -> bool:
        """Whether a model is asked."""
        return self.traces == "sample"

    def write_answer(self, reasoning: str, answer: str) -> str:
        """An answer as it is trained: after its reasoning, if that is kept and there is any."""
        if self.traces != "keep" or not reasoning.strip():
            return answer
        return f"{self.before}{reasoning.strip()}{self.after}{answer}"

    @pydantic.model_validator(mode="after")
    def _check_marks(self) -> Self:
        if not (self.before.strip() and self.after.strip()):
            raise ValueError("'before' and 'after' must not be blank: they mark the reasoning")
        if self.traces == "sample" and QUESTION_SLOT not in self.instruction:
            raise ValueError("'instruction' must contain {question}")
        return self
