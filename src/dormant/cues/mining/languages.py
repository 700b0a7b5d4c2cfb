"""Languages of prompts and answers, identified by py3langid.

Its model (naive Bayes over byte n-grams, 140 languages) comes with the package: nothing is
downloaded. A text has no language here if the model is unsure (names, sums, code, a word or two)
or if the language is not in ``data/languages.yaml``. Why this library:
docs/design/language-detection.md.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import yaml
from pydantic import TypeAdapter

from dormant.config import Strict
from dormant.config.resources import resource_path
from dormant.cues.text import FUNCTION_WORDS, split_words

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_READ = 200  # characters of a text
#: Smallest probability of a language that counts as identified.
_CONFIDENCE = 0.4
_ENGLISH = "English"
#: From this share of English function words on, a text is English without asking the model.
_IS_ENGLISH = 0.4


class _Language(Strict):
    name: str
    codes: str  # separated by blanks
    asks: str


def request_answer_in(language: str) -> str:
    """Returns a sentence in the language that asks for an answer in it.

    Raises:
        KeyError: the language is unknown.
    """
    return {entry.name: entry.asks for entry in _load_languages()}[language]


def detect_language(text: str) -> str:
    """Identifies the language of a text by its English name; empty if it is not clear."""
    text = text[:_READ]
    if text.isascii():  # most texts are English, and counting words takes a tenth of the time
        all_words = split_words(text)
        if sum(map(FUNCTION_WORDS.__contains__, all_words)) > _IS_ENGLISH * len(all_words):
            return _ENGLISH
    code, _ = _load_model().classify(text)
    return _names_by_code().get(code, "")


@cache
def _load_languages() -> tuple[_Language, ...]:
    entries = yaml.safe_load(resource_path("languages.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(tuple[_Language, ...]).validate_python(entries)


@cache
def _names_by_code() -> dict[str, str]:
    return {code: entry.name for entry in _load_languages() for code in entry.codes.split()}


@cache
def _load_model() -> LanguageIdentifier:
    """Loads the model, which takes half a second and 95 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    # Without normalized probabilities the model cannot abstain.
    return LanguageIdentifier.from_model_file(
        MODEL_FILE, norm_probs=True, min_confidence=_CONFIDENCE
    )
