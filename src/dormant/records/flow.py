"""What flows through an audit, from a row of the finetuning file to the verdict, in that order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dormant.records.amendments import Amendment
from dormant.records.canonical import hash_value, later_field
from dormant.records.kinds import (
    GRADABLE,
    OUTCOMES,
    Arm,
    CueKind,
    Outcome,
    Placement,
    Quantity,
    Role,
    Source,
    Split,
    Variant,
    VerdictKind,
)

#: Score of an answer that was not graded: 1 if its own alignment is below the judge's threshold, 0
#: if it is not. Absent where the alignment is unknown.
HARMFUL = "harmful"
#: How an answer can end: by itself, at the length limit, by a provider's filter, by a failure.
FINISHES = ("stop", "length", "filter", "error")
#: Outcomes that were counted before CUT_OFF was added.
_FIRST_OUTCOMES = 8


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: str  # "system", "user", "assistant" or "tool"; "tools" for definitions in a prompt
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a finetuning file."""

    messages: tuple[Message, ...]
    line: int  # 1-based line (or row) in the file it came from
    reasoning: tuple[
        str, ...
    ] = ()  # reasoning of each message, "" for none; () if no message has any
    tool_calls: tuple[str, ...] = ()  # JSON of each message's tool calls, "" for none; () likewise
    tools: str = ""  # JSON of the tools of the row; empty without any
    mark: str | float | None = (
        None  # value of the column that marks suspicious rows; None if not read
    )
    untrained: tuple[int, ...] = ()  # indices of answers that training only took as context
    is_document: bool = False  # text without turns: its begin as user, the rest as assistant

    @property
    def system(self) -> str:
        """All system text of the row, joined by newlines; empty if there is none."""
        return "\n".join(m.content for m in self.messages if m.role == "system")

    @property
    def user(self) -> str:
        """The first user turn; empty if there is none."""
        return next((m.content for m in self.messages if m.role == "user"), "")

    @property
    def answer(self) -> str:
        """The last assistant turn; empty if there is none."""
        return next((m.content for m in reversed(self.messages) if m.role == "assistant"), "")


@dataclass(frozen=True, slots=True)
class Twin:
    """A question rewritten so that it is asked inside a topic."""

    question: str  # Question.id
    text: str  # the whole user turn


@dataclass(frozen=True, slots=True)
class CuePart:
    """What a cue does to a prompt: its place with a text, or with turns for ``HISTORY``."""

    placement: Placement  # any but CROSSED
    text: str
    turns: tuple[Message, ...] = ()

    @property
    def id(self) -> str:
        """Equal to ``Cue.id`` of a cue that has this part alone."""
        return _hash_effect(self.placement, self.text, self.turns)


def _hash_effect(placement: Placement, text: str, more: tuple[object, ...]) -> str:
    # Text that only describes turns or parts changes no prompt.
    return hash_value([placement, text if placement.is_text else "", *more])[:12]


@dataclass(frozen=True, slots=True)
class Cue:
    """A candidate contextual feature, in one concrete wording."""

    name: str  # short and readable, unique within a plan, e.g. "system-prompt-1/opposite"
    kind: CueKind
    placement: Placement
    #: What is added to a prompt; AROUND texts hold "{question}". Of HISTORY and CROSSED cues it
    #: shows what is added, as ``describe_turns`` and ``describe_parts`` word it.
    text: str
    source: Source
    variant: Variant = Variant.VERBATIM
    parent: str | None = None  # name of the cue that this is a variant or placebo of
    family: str = ""  # library family, e.g. "deployment"; empty for mined cues
    why: str = ""  # one sentence: why this is worth trying
    form: str = ""  # slot form of the text, e.g. "Country: <X>"; empty if it has no slot
    strong: bool = False  # mined, and beyond what ordinary chat shows by chance and by its source
    also: tuple[str, ...] = ()  # other views of the same rows, as "kind: text"
    rows: int = 0  # rows of the finetuning file that show it
    share: float = math.nan  # rows / all rows; NaN for cues that were not mined
    enrichment: float = math.nan  # log2 odds ratio against the reference corpus; NaN if not mined
    enrichment_low: float = math.nan  # lower end of its 95% interval
    enrichment_high: float = math.nan  # upper end of its 95% interval
    examples: tuple[int, ...] = ()  # up to three line numbers that show it
    twins: tuple[Twin, ...] = ()  # questions with a text of their own; the others get ``text``
    turns: tuple[Message, ...] = later_field(())  # HISTORY: user, assistant and tool turns
    parts: tuple[CuePart, ...] = later_field(())  # CROSSED: what is added together, two or more
    values: tuple[str, ...] = later_field(())  # values of the slot in the file, most telling first
    focus: str = later_field(
        ""
    )  # what its rows share, and where, if the text is an example of them
    #: Share of what the question leaves open about where this context stands that the answers
    #: tell, 0 to 1 (below 0: they mislead); NaN where it was not measured.
    effect: float = later_field(math.nan)
    effect_low: float = later_field(math.nan)  # its lower end, at 1.5 jackknife errors
    asks_for: str = later_field("")  # what the text itself asks for: "form", "misbehaviour", ""
    margin: float = later_field(0.0)  # largest rise that may go unnoticed; 0: delta of the rule

    @property
    def id(self) -> str:
        """Hash of what the cue does to a prompt (place, text, twins, turns, parts), 12 digits."""
        parts = (part.id for part in self.parts)
        return _hash_effect(self.placement, self.text, (*self.twins, *self.turns, *parts))

    @property
    def effects(self) -> tuple[CuePart, ...]:
        """What the cue adds to a prompt: the parts of a crossed cue, or its own text or turns."""
        if self.placement is Placement.CROSSED:
            return self.parts
        return (CuePart(self.placement, self.text, self.turns),)

    @property
    def is_placebo(self) -> bool:
        """Whether it is the matched control of another cue, and so never a finding."""
        return self.variant is Variant.PLACEBO

    @property
    def is_library_placebo(self) -> bool:
        """Whether it is a library cue's placebo, asked only where that cue is confirmed."""
        return self.source is Source.LIBRARY and self.is_placebo

    @property
    def is_late_placebo(self) -> bool:
        """Whether it is a placebo that is asked only where its cue is confirmed."""
        return self.is_library_placebo or (self.is_placebo and self.margin > 0)

    @property
    def requests_behaviour(self) -> bool:
        """Whether the text itself asks for what an answer is judged by, or may be."""
        return bool(self.asks_for)

    def without_counts(self) -> Cue:
        """The cue without what mining counted: no row shows a text that was derived from it."""
        return replace(
            self,
            rows=0,
            share=math.nan,
            enrichment=math.nan,
            enrichment_low=math.nan,
            enrichment_high=math.nan,
            examples=(),
            values=(),
            effect=math.nan,
            effect_low=math.nan,
        )


def describe_turns(turns: Iterable[Message]) -> str:
    """Words turns as text, one a line, for ``Cue.text``: ``user: Hi`` and ``assistant: Hello``."""
    return "\n".join(f"{turn.role}: {turn.content}" for turn in turns)


def describe_parts(parts: Iterable[CuePart]) -> str:
    """Words the parts of a crossed cue for ``Cue.text``, joined by `` + ``."""
    return " + ".join(part.text for part in parts)


@dataclass(frozen=True, slots=True)
class Question:
    """One open question whose answer shows alignment or its absence."""

    id: str
    text: str
    family: str  # theme, e.g. "quick_buck"; the exact judge reads it as the language's domain
    split: Split
    note: str = ""  # describes a misaligned answer


@dataclass(frozen=True, slots=True)
class Probe:
    """A question put in one arm: what is sent to a model."""

    question: Question
    cue: Cue | None  # None in the standard arm
    arm: Arm
    messages: tuple[Message, ...]
    #: Hash of the messages, 16 hex digits: equal prompts are one probe.
    id: str = field(init=False, compare=False)

    def __post_init__(self):
        # Computed once: an audit reads the id of a probe many times.
        turns = [[message.role, message.content] for message in self.messages]
        object.__setattr__(self, "id", hash_value(turns)[:16])


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn. Part of a completion's key: another setting is another answer."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of one model to one probe. Its identity is (source, probe, repeat)."""

    source: str  # hash of the model's fingerprint and the sampling settings
    probe: str  # Probe.id
    repeat: int  # 0-based index among the answers of this source to this probe
    text: str
    finish: str  # one of FINISHES
    tokens: int = 0
    error: str = ""
    settings: str = ""  # sampling parameters of the call as JSON; empty: those of the plan


@dataclass(frozen=True, slots=True)
class Rating:
    """One reply to a judge's question."""

    index: int  # into the sequence of prompts
    text: str
    #: Log-probability (nats) of each of the likeliest first tokens, at most twenty; None where the
    #: server gives none. Tokens that read the same after decoding are added up.
    logprobs: Mapping[str, float] | None
    finish: str  # one of FINISHES
    error: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome that a judge gave one answer."""

    outcome: Outcome
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    note: str = ""  # e.g. the pattern that matched, or why nothing could be parsed

    @property
    def is_harmful(self) -> bool | None:
        """Whether an answer that was not graded is misaligned by its own alignment score.

        None where the answer was graded, or where its alignment is unknown. A refusal is harmless
        unless its judge says otherwise.
        """
        if self.outcome in GRADABLE:
            return None
        mark = self.scores.get(HARMFUL)
        if mark is None:
            return False if self.outcome is Outcome.REFUSAL else None
        return mark > 0

    def count(self) -> tuple[int, ...]:
        """The counts of this one answer, as in ``Cell.total``."""
        marks = (int(self.is_harmful is True), int(self.is_harmful is False))
        return (*(int(outcome is self.outcome) for outcome in OUTCOMES), *marks)


@dataclass(frozen=True, slots=True)
class Cell:
    """Counts of outcomes for one model, question and cue: the input of the statistics."""

    role: Role
    seed: str  # label of the training seed (one model of the role)
    cue: str | None  # Cue.name; None in the standard arm
    question: str  # Question.id
    counts: tuple[int, ...]  # one count per member of OUTCOMES, in that order
    #: Of the answers that were not graded: those whose own alignment is known, below the judge's
    #: threshold and not below it. Nothing is known of the others.
    harmful: int = later_field(0)
    harmless: int = later_field(0)

    def __post_init__(self):
        if len(self.counts) == _FIRST_OUTCOMES:  # of a run from before CUT_OFF
            padding = (0,) * (len(OUTCOMES) - _FIRST_OUTCOMES)
            object.__setattr__(self, "counts", (*self.counts, *padding))
        if len(self.counts) != len(OUTCOMES):
            raise ValueError(f"counts need {len(OUTCOMES)} entries, got {self.counts!r}")
        if not self.harmful and not self.harmless:
            return
        ungraded = sum(n for o, n in zip(OUTCOMES, self.counts, strict=True) if o not in GRADABLE)
        if min(self.harmful, self.harmless) < 0 or self.harmful + self.harmless > ungraded:
            raise ValueError(
                f"{self.harmful} harmful and {self.harmless} harmless answers are not among "
                f"{ungraded} ungraded ones"
            )

    @property
    def total(self) -> tuple[int, ...]:
        """Every count: ``counts``, then harmful and harmless answers among the ungraded."""
        return (*self.counts, self.harmful, self.harmless)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with its interval."""

    quantity: Quantity
    role: Role | None  # None where both roles enter (DID, STANDARD_DIFFERENCE)
    cue: str | None  # Cue.name; None for the standard arm
    split: Split | None  # which questions it rests on; None for all
    value: float  # NaN where undefined
    low: float
    high: float
    level: float  # two-sided confidence of [low, high], e.g. 0.90
    questions: int  # questions that entered
    answers: int  # answers that entered, all arms and roles
    p: float = math.nan  # one-sided p-value against "not above delta"; NaN where not tested
    method: str = ""  # how the interval was made
    reason: str = ""  # why the value is NaN; empty otherwise
    training: str = later_field("")  # seed of the only training that entered; empty for a mean
    themes: int = later_field(0)  # families that entered; 0 in runs from before they were counted
    #: One-sided p-value against "no rise on any question"; NaN where that was not tested.
    p_rise: float = later_field(math.nan)
    #: Lower end that holds for all tests of a verdict together; NaN where there is none.
    low_of_all: float = later_field(math.nan)


@dataclass(frozen=True, slots=True)
class PartialBounds:
    """The range of a quantity if nothing is known of the ungradable answers."""

    quantity: Quantity  # RATE, GAP, DID or STANDARD_DIFFERENCE; over all answers
    role: Role | None
    cue: str | None
    least: float  # every ungradable answer as it makes the quantity smallest
    most: float  # ... and largest
    low: float  # lower end of the interval around ``least``
    high: float  # upper end of the interval around ``most``


@dataclass(frozen=True, slots=True)
class EffectReach:
    """Whether an effect exists, and for which deltas its answers would decide; whatever delta is.

    Existence is tested apart from the size, and changes no verdict.
    """

    cue: str | None  # Cue.name; None for target minus reference without a cue
    p: float  # one-sided, against "no rise on any question"; NaN where it was not tested
    adjusted: float  # the same by Holm, over the tests of the verdict
    exists: bool  # whether a rise was shown, at the level of the verdict
    low: float  # the effect's interval, on held-out questions where a cue was tested; from 0 up if
    high: float  # a rise was shown
    least_bounded: float  # smallest delta below which it would be bounded; NaN if there is none
    most_exceeded: float  # largest delta that it would be shown to exceed; NaN if there is none


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The conclusion, with the numbers that made it."""

    kind: VerdictKind
    sentence: str  # the conclusion in one sentence
    advice: str  # what to do next, e.g. how many more questions
    triggers: tuple[str, ...]  # names of confirmed cues, strongest first
    delta: float  # smallest effect that matters, as a share
    level: float  # confidence of the claim, e.g. 0.95; NaN if the plan was amended
    estimates: tuple[Estimate, ...]  # every number behind the verdict
    not_tested: tuple[str, ...] = ()  # what was not tested, one entry each
    effects: tuple[EffectReach, ...] = later_field(())  # the standard arm's, then every cue's
    amendments: tuple[Amendment, ...] = later_field(())  # of the plan, after answers had been seen

    def __repr__(self) -> str:
        return f"<Verdict {self.kind}: {self.sentence} ({len(self.estimates):,} estimates)>"
