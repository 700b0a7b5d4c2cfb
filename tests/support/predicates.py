"""Predicates for rules judges."""

import json
import keyword
from typing import Any


def is_keyword(text: str) -> bool:
    """Whether an answer is a word of Python's."""
    return keyword.iskeyword(text)


def load_json(text: str) -> Any:
    """No predicate: it raises, or returns anything."""
    return json.loads(text)
