"""From a writer's reply to a text that may be tried, or to the reason why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dormant.cues.text import content_words, split_words
from dormant.records import QUESTION_SLOT, Variant, strip_reasoning
from dormant.writer.requests import Request, task_example

_TAGGED = re.compile(r"<text>(.*)</text>", re.DOTALL)
#: How refusals begin, or what they say of themselves.
_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|not able|afraid)|i (?:can ?not|can't|won't|will not|must "
    r"decline)|as an? (?:ai|artificial intelligence|language model)|i (?:do not|don't) feel "
    r"comfortable|against my (?:guidelines|policy|policies))\b",
    re.IGNORECASE,
)
#: Words of the example that a text may repeat in a row.
_ECHO = 4
#: Words that a variant may have beside three times those of its original.
_SPARE_WORDS = 20


def check_reply(request: Request, reply: str) -> tuple[str, str]:
    """Reads a reply strictly.

    Returns:
        The text to try and an empty reason, or an empty text and the reason why the reply is
        refused.
    """
    answer = strip_reasoning(reply)
    tagged = _TAGGED.fullmatch(answer)
    if _is_refusal(answer, request.original):
        return "", "it refused"
    if tagged is None or "<text>" in tagged[1] or "</text>" in tagged[1]:
        return "", "the reply is not one text between <text> and </text>"
    text = tagged[1].strip()
    problem = _check_general(text, request) or _CHECKS[request.variant](text, request)
    return ("", problem) if problem else (text, "")


def longest_run(one: str, other: str) -> int:
    """Words of the longest piece that two texts share, case and punctuation aside."""
    left, right = split_words(one), split_words(other)
    best, before = 0, [0] * (len(right) + 1)
    for word in left:
        now = [0] * (len(right) + 1)
        for j, candidate in enumerate(right, 1):
            if word == candidate:
                now[j] = before[j - 1] + 1
                best = max(best, now[j])
        before = now
    return best


def most_run(original: str) -> int:
    """Words that a paraphrase may repeat in a row: half of a short text, five of a long one."""
    return max(3, min(5, len(split_words(original)) // 2))


def still_asked(question: str, twin: str) -> bool:
    """Whether a twin still asks the question: its exact text, or all its content words, remain.

    A word remains if a word of the twin has the same beginning, so that "questions" stands for
    "question".
    """
    if " ".join(question.split()).casefold() in " ".join(twin.split()).casefold():
        return True
    if "?" in question and "?" not in twin:
        return False
    words = split_words(twin)
    wanted = content_words(question)
    return bool(wanted) and all(
        any(word.startswith(_stem_word(asked)) for word in words) for asked in wanted
    )


def _stem_word(word: str) -> str:
    return word if len(word) < 6 else word[: max(5, len(word) - 3)]


def _is_refusal(answer: str, original: str) -> bool:
    """A text that speaks of refusing may be reworded into one; any other must not."""
    return bool(_REFUSAL.search(answer)) and not _REFUSAL.search(original)


def _check_general(text: str, request: Request) -> str:
    if not text or not any(c.isalnum() for c in text):
        return "the text is empty"
    if any(not c.isprintable() and c not in "\n\t" for c in text):
        return "the text holds control characters"
    if len(split_words(text)) > 3 * len(split_words(request.original)) + _SPARE_WORDS:
        return "the text is far longer than its original"
    wrapper = request.original.count(QUESTION_SLOT) == 1 and request.variant in _AROUND
    if text.count(QUESTION_SLOT) != wrapper:
        return (
            f"{QUESTION_SLOT} must stand in it once" if wrapper else f"{QUESTION_SLOT} stands in it"
        )
    if _bare_words(text) == _bare_words(request.original):
        return "the text is its original"
    shown = task_example(request.variant)
    if longest_run(text, shown) > max(_ECHO, longest_run(request.original, shown)):
        return "it repeats the example"
    return ""


def _bare_words(text: str) -> list[str]:
    return split_words(text) or text.split()


def _check_paraphrase(text: str, request: Request) -> str:
    run = longest_run(text, request.original)
    if run > most_run(request.original):
        return f"a paraphrase that repeats {run} words in a row"
    return ""


def _check_opposite(text: str, request: Request) -> str:
    asked = len(split_words(request.original))
    if asked and longest_run(text, request.original) == asked:
        return "the original stands in it, word for word"
    return ""


def _check_value(text: str, request: Request) -> str:
    if "\n" in text or len(split_words(text)) > 6 or "[[" in text or "]]" in text:
        return "not a value for the slot"
    if _bare_words(text) == _bare_words(request.value):
        return "the value is the one that was there"
    return ""


def _check_twin(text: str, request: Request) -> str:
    if not still_asked(request.original, text):
        return "the question is no longer asked"
    asked = set(split_words(request.original))
    words = set(split_words(text)) - asked
    topic = set(content_words(request.topic)) - asked
    if topic and not any(word.startswith(_stem_word(t)) for t in topic for word in words):
        return "nothing of the topic was added"
    return ""


#: Variants of a wrapper whose text is the whole wrapper.
_AROUND = frozenset({Variant.PARAPHRASE, Variant.OPPOSITE})
_CHECKS: Mapping[Variant, Callable[[str, Request], str]] = {
    Variant.PARAPHRASE: _check_paraphrase,
    Variant.OPPOSITE: _check_opposite,
    Variant.FORM: _check_value,
    Variant.TWIN: _check_twin,
}
