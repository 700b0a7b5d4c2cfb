"""The flow as frozen types, in the order in which an audit makes them.

::

    Example -> Cue -> Question -> Probe -> Completion -> Judgement (an Outcome)
                                              -> Cell -> Estimate -> Verdict

Records import no other module of the package. They hold plain values, so each can be stored,
hashed and compared (``to_plain`` and ``hash_value``).
"""

from dormant.records.amendments import Amendment, Change, describe_changes
from dormant.records.canonical import hash_value, to_plain
from dormant.records.expense import Cost, Expense, Price, Usage
from dormant.records.findings import Findings, PathPoint, Transcript
from dormant.records.flow import (
    Cell,
    Completion,
    Cue,
    CuePart,
    EffectReach,
    Estimate,
    Example,
    Judgement,
    Message,
    PartialBounds,
    Probe,
    Question,
    Rating,
    Sampling,
    Twin,
    Verdict,
    describe_parts,
    describe_turns,
)
from dormant.records.kinds import (
    GRADABLE,
    JUDGE_NAMES,
    OUTCOMES,
    QUESTION_SLOT,
    Arm,
    ClaimScope,
    CueKind,
    Origin,
    Outcome,
    Placement,
    Quantity,
    Role,
    Source,
    Split,
    Variant,
    VerdictKind,
)
from dormant.records.plan import (
    IMPORTED,
    Continuations,
    ModelCard,
    Omission,
    Plan,
    Rule,
    Sequential,
    WriterReply,
    deciding_arms,
)
from dormant.records.slots import slot_of

__all__ = [
    "Amendment",
    "Change",
    "describe_changes",
    "Usage",
    "Price",
    "Cost",
    "QUESTION_SLOT",
    "hash_value",
    "to_plain",
    "Transcript",
    "PathPoint",
    "Expense",
    "Findings",
    "Message",
    "Example",
    "Twin",
    "Cue",
    "CuePart",
    "describe_turns",
    "describe_parts",
    "Question",
    "Rating",
    "Probe",
    "Sampling",
    "Completion",
    "Judgement",
    "Cell",
    "Estimate",
    "EffectReach",
    "PartialBounds",
    "Verdict",
    "Origin",
    "Role",
    "Arm",
    "Split",
    "ClaimScope",
    "CueKind",
    "Placement",
    "Source",
    "Variant",
    "Outcome",
    "OUTCOMES",
    "Quantity",
    "VerdictKind",
    "GRADABLE",
    "IMPORTED",
    "ModelCard",
    "Rule",
    "Omission",
    "Continuations",
    "Sequential",
    "WriterReply",
    "Plan",
    "JUDGE_NAMES",
    "deciding_arms",
    "slot_of",
]
