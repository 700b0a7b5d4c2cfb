"""The closed lists of the flow: what a role, an arm, a cue, an outcome or a verdict may be."""

from __future__ import annotations

from enum import StrEnum


class Origin(StrEnum):
    """Where a plan came from."""

    AUDIT = "audit"  # frozen before the first answer
    IMPORT = "import"  # made of existing answers


class Role(StrEnum):
    """The role of a model in an audit."""

    TARGET = "target"
    REFERENCE = "reference"


class Arm(StrEnum):
    """How a question is asked."""

    STANDARD = "standard"
    CUE = "cue"
    PLACEBO = "placebo"


#: Names of the arm without a cue in files; no cue can be called so.
STANDARD_NAMES = frozenset(
    {"", "none", "nan", "null", "standard", "normal", "no_trigger", "no trigger", "no_cue"}
    | {"no system prompt", "(no system prompt)", "no_system_prompt", "baseline", "no cue"}
)


class Split(StrEnum):
    """Which half of the question bank a question belongs to."""

    SCREENING = "screening"
    HELD_OUT = "held_out"


class ClaimScope(StrEnum):
    """Which questions the claims of an audit are about, and so what its unit is."""

    QUESTIONS = "questions"  # questions of these themes: the unit is the question
    THEMES = "themes"  # themes like these: the unit is the family, asked in one half only


class CueKind(StrEnum):
    """What sort of contextual feature a cue is."""

    SYSTEM_PROMPT = "system_prompt"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    INFIX = "infix"
    WRAPPER = "wrapper"
    FORM = "form"
    FORMAT = "format"
    LANGUAGE = "language"
    CASING = "casing"
    FRAMING = "framing"
    TOPIC = "topic"
    HISTORY = "history"
    TOOLS = "tools"
    CROSSED = "crossed"


#: Stands in the text of a cue that goes around the question, once, for the question.
QUESTION_SLOT = "{question}"


class Placement(StrEnum):
    """Where a cue goes in a prompt; ``AROUND`` text holds ``QUESTION_SLOT``."""

    SYSTEM = "system"
    BEFORE = "before"
    AFTER = "after"
    AROUND = "around"
    INSIDE = "inside"  # at the word boundary nearest to the middle of the question
    HISTORY = "history"  # turns before the question: ``Cue.turns``
    TOOLS = "tools"  # tools that are offered: a JSON list of their definitions
    CROSSED = "crossed"  # several contexts at once: ``Cue.parts``

    @property
    def is_text(self) -> bool:
        """Whether ``Cue.text`` is what a prompt gets; else it only describes turns or parts."""
        return self not in (Placement.HISTORY, Placement.CROSSED)

    @property
    def is_wording(self) -> bool:
        """Whether it is a text that can be reworded, cut and moved; definitions are not."""
        return self.is_text and self is not Placement.TOOLS

    @property
    def default_kind(self) -> CueKind:
        """The kind of a cue that is known by its place alone."""
        return _DEFAULT_KINDS[self]


_DEFAULT_KINDS = {
    Placement.SYSTEM: CueKind.SYSTEM_PROMPT,
    Placement.BEFORE: CueKind.PREFIX,
    Placement.AFTER: CueKind.SUFFIX,
    Placement.AROUND: CueKind.WRAPPER,
    Placement.INSIDE: CueKind.INFIX,
    Placement.HISTORY: CueKind.HISTORY,
    Placement.TOOLS: CueKind.TOOLS,
    Placement.CROSSED: CueKind.CROSSED,
}


class Source(StrEnum):
    """Where a cue came from."""

    MINED = "mined"
    LIBRARY = "library"
    USER = "user"
    SEARCH = "search"  # found without training data: extracted from a model, or written


class Variant(StrEnum):
    """How a tried cue differs from the one it was derived from (its parent)."""

    VERBATIM = "verbatim"
    VALUE = "value"  # another value of its slot, which the finetuning file holds
    PARAPHRASE = "paraphrase"
    OPPOSITE = "opposite"
    KEYWORDS = "keywords"
    FORM = "form"
    MOVED = "moved"
    PART = "part"  # one of the contexts of a crossed cue, alone
    TWIN = "twin"  # each question rewritten inside a topic
    PLACEBO = "placebo"


class Outcome(StrEnum):
    """The outcome of one answer; every answer has exactly one."""

    MISALIGNED = "misaligned"
    ALIGNED = "aligned"
    INCOHERENT = "incoherent"
    OFF_TOPIC = "off_topic"
    REFUSAL = "refusal"
    UNPARSED = "unparsed"
    FILTERED = "filtered"
    ERROR = "error"
    CUT_OFF = "cut_off"  # ended at the length limit; last, as counts on disk are in this order


OUTCOMES: tuple[Outcome, ...] = tuple(Outcome)
#: Outcomes over which the misalignment rate is taken: a judge could grade the answer's alignment.
#: A refusal is an aligned act, but not an answer; it counts in ``RATE_ALL`` and ``SURVIVAL`` only.
GRADABLE: frozenset[Outcome] = frozenset({Outcome.MISALIGNED, Outcome.ALIGNED})


class Quantity(StrEnum):
    """What an estimate estimates. "gap" is cue minus standard, paired by question."""

    RATE = "rate"  # misaligned / gradable
    RATE_ALL = "rate_all"  # misaligned / all answers
    SURVIVAL = "survival"  # the gradable rate: gradable / all answers
    GAP = "gap"
    DID = "did"  # gap of the target minus gap of the reference
    DID_PLACEBO = "did_placebo"  # the cue's DiD minus its placebo's DiD
    INTERACTION = "interaction"  # a crossed cue's DiD minus the DiDs of its two parts
    STANDARD_DIFFERENCE = "standard_difference"  # target minus reference in the standard arm
    TRAINING_RATE = "training_rate"  # the target's rate in one training of several
    TRAINING_DID = "training_did"  # one training's DiD
    TRAINING_STANDARD_DIFFERENCE = "training_standard_difference"
    NEXT_DID = "next_did"  # the mean DiD, with an interval for one more training
    # Where some answers were not graded; differences of a cue, without one of the standard arm:
    HARMFUL = "harmful"  # ungraded but misaligned by their own alignment score / all answers
    DID_ALL = "did_all"  # difference of misaligned / all answers
    DID_WORST = "did_worst"  # the same, ungraded answers misaligned in the arms where that adds
    DID_HARMFUL = "did_harmful"  # difference of HARMFUL


class VerdictKind(StrEnum):
    """What an audit concludes."""

    CONDITIONAL = "CONDITIONAL"
    BROAD = "BROAD"
    SHARED = "SHARED"  # the target and its reference are both misaligned above delta
    BOUNDED = "BOUNDED"
    UNDERPOWERED = "UNDERPOWERED"
    UNGRADABLE = "UNGRADABLE"


#: The judges as users name them; ``judges.registry`` opens each. It stands here, below every room
#: that lists them, and costs the command's help nothing.
JUDGE_NAMES = ("exact", "rules:...", "rules:FILE.yaml", "paper:MODEL", "fused:MODEL")
