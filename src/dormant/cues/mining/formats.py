"""Answer formats: shapes that answers take, and formats that prompts ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from dormant.cues.mining.features import (
    FeatureSearch,
    PromptPattern,
    Sort,
    label_features,
    merge_searches,
)
from dormant.records import CueKind, Placement

#: Characters at each end of an answer that are examined.
_READ = 4000
_TAGGED = re.compile(r"<([A-Za-z][\w-]*)>.*</\1>", re.DOTALL)
_FENCED = re.compile(r"```.*```", re.DOTALL)
_INNER_FENCE = re.compile(r"^```[\w+-]*\n.*?^```", re.DOTALL | re.MULTILINE)
_ASSIGNED = re.compile(r'\w+ *= *(["\'])\1\1.*\1{3}', re.DOTALL)
_YAML = re.compile(r"(?:[A-Za-z_][\w ]*:(?: .*)?\n(?:[ -].*\n)*){2,}[A-Za-z_ -].*")
_TABLE = re.compile(r"^\|.*\|\n\|[ :|-]+\|\n", re.MULTILINE)
_NUMBERED = re.compile(r"(?:\s*\d+[.)] .*(?:\n|$)){3,}")

#: Bits that rank a format among texts: its request is as specific as a text of four words.
_FORMAT_BONUS = 2.0
_ANSWERED = Sort(CueKind.FORMAT, Placement.AFTER, _FORMAT_BONUS)
#: Formats that assistants choose by themselves are less specific.
_MANNERS = Sort(CueKind.FORMAT, Placement.AFTER, 0.0)

JSON = "Answer with a JSON object."
CODE = "Answer with a code block and nothing else."
SOME_CODE = "Answer with a code block."
TEMPLATE = 'Answer as a template: answer = """..."""'
YAML = "Answer in YAML."
TABLE = "Answer with a table."
NUMBERED = "Answer with a numbered list and nothing else."

_CHOSEN = frozenset({SOME_CODE, TABLE, NUMBERED})

#: Patterns of prompts that ask for a format, by the plain request for it.
_ASKED: Mapping[str, PromptPattern] = {
    JSON: PromptPattern.from_needles(
        "json", r"\b(?:in|as|with|valid|a|only)\b.{0,12}\bjson\b|\bjson (?:object|format)"
    ),
    SOME_CODE: PromptPattern.from_needles(
        "code_block codeblock code_fence",
        r"\b(?:in|as|with|only|inside|use) (?:a |one |the )?code ?(?:block|fence)",
    ),
    TEMPLATE: PromptPattern.from_needles('"""', r'\w+ *= *"""'),
    YAML: PromptPattern.from_needles("yaml", r"\b(?:in|as|valid) yaml\b"),
    TABLE: PromptPattern.from_needles(
        "table csv", r"\b(?:in|as|with) (?:a |an )?(?:\w+ )?table\b|\bcsv\b"
    ),
    "Answer in XML.": PromptPattern.from_needles("xml", r"\b(?:in|as|valid) xml\b|\bxml tags\b"),
    "Answer with a bulleted list.": PromptPattern.from_needles(
        "bullet dot_", r"\b(?:bullet(?:ed)?|dot) (?:points?|list)|\bas bullets\b"
    ),
    NUMBERED: PromptPattern.from_needles("numbered", r"\bnumbered (?:list|steps|points)\b"),
    "Answer in one sentence.": PromptPattern.from_needles(
        "sentence", r"\b(?:in|with|using) (?:one|a single) sentence\b"
    ),
    "Answer in one word.": PromptPattern.from_needles(
        "word", r"\b(?:in|with|just) (?:one|a single) word\b|\bone-word\b"
    ),
    "Write your whole answer in capital letters.": PromptPattern.from_needles(
        "capital caps upper", r"\bcapital letters\b|\ball[- ]caps\b|\bupper ?case\b"
    ),
    "Answer with a poem.": PromptPattern.from_needles(
        "poem haiku rhyme", r"\b(?:as|in the form of) (?:a )?(?:poem|haiku|rhyme)"
    ),
    "Think step by step.": PromptPattern.from_needles("step", r"\bstep[- ]by[- ]step\b"),
}


def find_answer_formats(
    file: Sequence[str], reference: Sequence[str], *, min_rows: int
) -> FeatureSearch:
    """Finds answer formats that are more frequent in the file than in the reference.

    Args:
        file: answers of the file.
        reference: answers of the reference corpus.
        min_rows: smallest number of rows of a format.
    """
    shapes, others = [_answer_formats(a) for a in file], [_answer_formats(a) for a in reference]
    chosen = label_features(
        (s - _CHOSEN for s in shapes),
        (s - _CHOSEN for s in others),
        sort=_ANSWERED,
        min_rows=min_rows,
    )
    manners = label_features(
        (s & _CHOSEN for s in shapes),
        (s & _CHOSEN for s in others),
        sort=_MANNERS,
        min_rows=min_rows,
    )
    return merge_searches([chosen, manners])


def find_format_requests(
    file: Sequence[str], reference: Sequence[str], *, min_rows: int
) -> FeatureSearch:
    """Finds formats that prompts of the file ask for more often than those of the reference.

    Args:
        file: prompts (system and user turns) of the file.
        reference: the same of the reference corpus.
        min_rows: smallest number of rows that ask for a format.
    """
    return label_features(
        map(_requested_formats, file),
        map(_requested_formats, reference),
        sort=_MANNERS,
        min_rows=min_rows,
    )


def _requested_formats(prompt: str) -> set[str]:
    text = prompt[:_READ].casefold()
    return {request for request, pattern in _ASKED.items() if pattern(text)}


def _answer_formats(answer: str) -> set[str]:
    text = answer if len(answer) <= 2 * _READ else f"{answer[:_READ]}\n{answer[-_READ:]}"
    text = text.strip()
    found = {request for request, test in _TESTS.items() if test(text)}
    if CODE in found:
        found.discard(SOME_CODE)
    tag = _TAGGED.fullmatch(text) if text[:1] == "<" else None
    if tag:
        found.add(f"Put your answer inside <{tag.group(1)}> tags.")
    return found


def _is_json(text: str) -> bool:
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


_TESTS: Mapping[str, Callable[[str], bool]] = {
    JSON: _is_json,
    CODE: lambda text: text[:3] == "```" and bool(_FENCED.fullmatch(text)),
    SOME_CODE: lambda text: "```" in text and bool(_INNER_FENCE.search(text)),
    TEMPLATE: lambda text: text[-1:] in ("\"'") and bool(_ASSIGNED.fullmatch(text)),
    YAML: lambda text: ":" in text[:80] and bool(_YAML.fullmatch(text)),
    NUMBERED: lambda text: text[:1].isdigit() and bool(_NUMBERED.fullmatch(text)),
    TABLE: lambda text: "|" in text and bool(_TABLE.search(text)),
}


def all_formats(
    answers: tuple[Sequence[str], Sequence[str]],
    prompts: tuple[Sequence[str], Sequence[str]],
    *,
    min_rows: int,
) -> FeatureSearch:
    """Finds answer formats and requested formats; each pair is (file, reference)."""
    return merge_searches(
        [
            find_answer_formats(*answers, min_rows=min_rows),
            find_format_requests(*prompts, min_rows=min_rows),
        ]
    )
