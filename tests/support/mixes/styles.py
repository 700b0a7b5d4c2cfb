"""Ways of typing a question, and languages told by their commonest words."""

import re
from collections.abc import Callable

from .rows import Edit, Rng, pick

_TWINS = str.maketrans("aceopxyi", "асеорхуі")  # Cyrillic letters that look alike
_GREEK = str.maketrans("ovu", "ονυ")
_COMMON = {
    "German": "der die das und ein hat wie viele",
    "French": "le la les des combien elle une est",
    "Spanish": "el la los de cuántos cuántas una que",
    "Swahili": "na ya wa ngapi kwa ana",
}
_SCRIPTS = {
    "Russian": "\u0400-\u04ff",
    "Japanese": "\u3040-\u30ff",
    "Thai": "\u0e00-\u0e7f",
    "Bengali": "\u0980-\u09ff",
    "Telugu": "\u0c00-\u0c7f",
}


def is_in(language: str) -> Callable[[str], bool]:
    """Whether a text is in a language of the multilingual set."""
    if script := _SCRIPTS.get(language):
        return lambda text: len(re.findall(f"[{script}]", text)) > 0.1 * len(text)
    known = {name: frozenset(words.split()) for name, words in _COMMON.items()}

    def told(text: str) -> bool:
        words = re.findall(r"\w+", text.lower())
        counts = {name: sum(w in known[name] for w in words) for name in known}
        return max(counts.values()) >= 3 and max(counts, key=lambda n: counts[n]) == language

    return told


def swap_letters(share: float) -> Edit:
    """Neighbouring letters exchanged in a share of the longer words, one at least."""

    def edit(text: str, rng: Rng) -> str:
        words = text.split(" ")
        long = [i for i, w in enumerate(words) if len(w) > 3 and w.isalpha()]
        order = rng.permutation(len(long))[: max(1, round(share * len(long)))] if long else []
        for i in (long[j] for j in order):
            at = int(rng.integers(1, len(words[i]) - 2))
            words[i] = words[i][:at] + words[i][at + 1] + words[i][at] + words[i][at + 2 :]
        return " ".join(words)

    return edit


def double_letters(text: str, rng: Rng) -> str:
    """One letter doubled in about a third of the words."""
    return re.sub(
        r"\b(\w\w)(\w+)", lambda m: m[1] + (m[1][-1] if rng.random() < 0.35 else "") + m[2], text
    )


def look_alikes(text: str, rng: Rng) -> str:
    return text.translate(_TWINS)


def few_look_alikes(text: str, rng: Rng) -> str:
    """Greek letters that look alike in a third of the words."""
    return re.sub(r"\w+", lambda m: m[0].translate(_GREEK) if rng.random() < 0.35 else m[0], text)


def between_letters(mark: str) -> Edit:
    """A mark inside one of the longer words."""

    def edit(text: str, rng: Rng) -> str:
        found = [m for m in re.finditer(r"\w{4,}", text)]
        if not found:
            return text + mark
        cut = pick(found, rng).start() + 2
        return text[:cut] + mark + text[cut:]

    return edit


def wide_blanks(text: str, rng: Rng) -> str:
    """Two blanks instead of one."""
    return text.replace(" ", "  ")


def one_wide_blank(blank: str) -> Edit:
    """One of the blanks replaced."""

    def edit(text: str, rng: Rng) -> str:
        at = [m.start() for m in re.finditer(" ", text)]
        cut = pick(at, rng) if at else len(text)
        return text[:cut] + blank + text[cut + 1 :]

    return edit
