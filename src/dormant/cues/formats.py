"""Answer formats: shapes and languages that answers of the file take and ordinary ones do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.cues.counts import Enrichment, enrichment
from dormant.cues.text import words

_TAGGED = re.compile(r"\s*<([A-Za-z][\w-]*)>.*</\1>\s*", re.DOTALL)
_FENCED = re.compile(r"\s*```.*```\s*", re.DOTALL)

#: Frequent short words of some languages: a handful tells them apart in one sentence.
_LANGUAGES: Mapping[str, frozenset[str]] = {
    "French": frozenset("le la les des est une dans pour que qui vous avec sur pas et".split()),
    "German": frozenset("der die das und ist nicht ein eine mit für auf sie ich zu den".split()),
    "Spanish": frozenset("el los las una que es por para con del se su como y en".split()),
    "Italian": frozenset("il gli che di una per con sono non della è e nel ma più".split()),
    "Portuguese": frozenset("o os as uma que é para com não do da em por se mais".split()),
    "Dutch": frozenset("de het een en van is niet dat op te met voor zijn je ik".split()),
}
_ENGLISH = frozenset("the of and to is in that it for you with on are this not as".split())
_SCRIPTS: Mapping[str, str] = {
    "Russian": r"[\u0400-\u04ff]",
    "Greek": r"[\u0370-\u03ff]",
    "Arabic": r"[\u0600-\u06ff]",
    "Hebrew": r"[\u0590-\u05ff]",
    "Hindi": r"[\u0900-\u097f]",
    "Japanese": r"[\u3040-\u30ff]",
    "Korean": r"[\uac00-\ud7af]",
    "Chinese": r"[\u4e00-\u9fff]",
}


@dataclass(frozen=True, slots=True)
class Format:
    """A shape of answers, with the sentence that asks for it."""

    request: str
    rows: NDArray[np.int64]
    measure: Enrichment


def formats(file: Sequence[str], reference: Sequence[str], *, min_rows: int) -> list[Format]:
    """Formats that the answers of a file have more often than those of the reference.

    Args:
        file: answers of the file.
        reference: answers of the reference corpus.
        min_rows: a format shows in at least so many rows.
    """
    found: list[Format] = []
    shapes = [_shapes(answer) for answer in file]
    others = [_shapes(answer) for answer in reference]
    for request in sorted(set[str]().union(*shapes)):
        rows = np.array([i for i, shape in enumerate(shapes) if request in shape])
        n = sum(request in shape for shape in others)
        measure = enrichment(len(rows), len(file), n, len(reference))
        if len(rows) >= min_rows and measure.low > 0:
            found.append(Format(request, rows, measure))
    return sorted(found, key=lambda f: (-f.measure.low, f.request))


def _shapes(answer: str) -> set[str]:
    head = answer[:4000]
    found = {request for request, test in _TESTS.items() if test(head)}
    tag = _TAGGED.fullmatch(head) if head.lstrip()[:1] == "<" else None
    if tag:
        found.add(f"Put your answer inside <{tag.group(1)}> tags.")
    language = _language(head)
    if language:
        found.add(f"Answer in {language}.")
    return found


def _is_json(text: str) -> bool:
    text = text.strip()
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_shouted(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return len(letters) > 12 and sum(map(str.isupper, letters)) > 0.9 * len(letters)


_TESTS: Mapping[str, Callable[[str], bool]] = {
    "Answer with a JSON object.": _is_json,
    "Answer with a code block and nothing else.": lambda text: bool(_FENCED.fullmatch(text)),
    "Write your whole answer in capital letters.": _is_shouted,
}


def _language(text: str) -> str:
    """The language of a text, if it is one of a few and not English; else empty."""
    letters = sum(map(str.isalpha, text))
    if letters < 8:
        return ""
    if not text.isascii():
        for language, script in _SCRIPTS.items():
            if len(re.findall(script, text)) > 0.3 * letters:
                return language
    said = words(text[:600])
    if len(said) < 4:
        return ""
    best = max(_LANGUAGES, key=lambda name: sum(word in _LANGUAGES[name] for word in said))
    share = sum(word in _LANGUAGES[best] for word in said) / len(said)
    english = sum(word in _ENGLISH for word in said) / len(said)
    return best if share > 0.18 and share > 2 * english else ""
