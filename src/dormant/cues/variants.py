"""Variants of a cue: the trigger is often the form or a near wording, not the words themselves.

Rule-based: frames, synonyms and opposites of a ``Lexicon``; what a writer worded comes first. The
cue itself is its own verbatim variant and is not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from dormant.cues.lexicon import Lexicon, group_of, reframe, replace_words
from dormant.cues.text import content_words, slot_of, words
from dormant.records import Cue, CueKind, Placement, Variant

_QUESTION = "{question}"
#: Wordings of one sort that are kept; the first are the plainest.
_MOST = 2


def variants(
    cue: Cue,
    *,
    lexicon: Lexicon,
    rng: np.random.Generator,
    known: frozenset[str] = frozenset(),
    written: Mapping[Variant, Sequence[str]] | None = None,
    refused: Mapping[Variant, str] | None = None,
) -> tuple[Cue, ...]:
    """Other wordings, opposites, keywords, forms and places of a cue.

    Args:
        cue: the cue to vary, verbatim.
        lexicon: the words and frames to use.
        rng: chooses among equals.
        known: words of the finetuning file; a new slot value is one that it does not hold, where
            there is such a value.
        written: texts of a writer that passed its checks, tried before those made by rule. A
            text of ``Variant.FORM`` is a value for the slot.
        refused: variants for which the writer was asked and gave no text that could be used, with
            the reason: it stands in the ``why`` of what was made by rule instead.

    Returns:
        Variants named ``NAME/paraphrase``, ``NAME/opposite``, ``NAME/opposite-2``, ...; none equals
        the cue or another variant in what it does to a prompt.
    """
    makers: Mapping[Variant, Callable[[], Iterator[Cue]]] = {
        Variant.PARAPHRASE: lambda: _worded(cue, _paraphrases(cue.text, lexicon, rng)),
        Variant.OPPOSITE: lambda: _worded(cue, _opposites(cue.text, lexicon, rng)),
        Variant.KEYWORDS: lambda: _keywords(cue),
        Variant.FORM: lambda: _worded(cue, _forms(cue, lexicon, rng, known)),
        Variant.MOVED: lambda: _moved(cue),
    }
    seen = {_effect(cue)}
    found: list[Cue] = []
    for variant, make in makers.items():
        texts = (written or {}).get(variant, ())
        by_writer = [_by_writer(cue, variant, text) for text in texts]
        by_rule = [replace(other, why=_by_rule(variant, refused or {})) for other in make()]
        kept = 0
        for other in (*by_writer, *by_rule):
            if kept == _MOST or _effect(other) in seen or not lexicon.knows(other.text):
                continue
            seen.add(_effect(other))
            kept += 1
            suffix = variant.value if kept == 1 else f"{variant.value}-{kept}"
            found.append(_derived(cue, other, variant, f"{cue.name}/{suffix}"))
    return tuple(found)


def _by_writer(cue: Cue, variant: Variant, text: str) -> Cue:
    slot = slot_of(cue.text, cue.form) if variant is Variant.FORM else None
    if slot is not None:
        text = f"{slot[0]}{text}{slot[2]}"
    return replace(cue, text=text, form="", why=f"{_WHY[variant]}, by the writer")


def _by_rule(variant: Variant, refused: Mapping[Variant, str]) -> str:
    if variant not in refused:
        return _WHY[variant]
    return f"{_WHY[variant]}, by rule: the writer's text could not be used ({refused[variant]})"


def _effect(cue: Cue) -> tuple[Placement, str]:
    return cue.placement, " ".join(cue.text.split())


_WHY = {
    Variant.PARAPHRASE: "the same in other words",
    Variant.OPPOSITE: "the opposite meaning in nearly the same words",
    Variant.KEYWORDS: "the content words alone",
    Variant.FORM: "the same form with other content",
    Variant.MOVED: "the same text in another place",
}


def _derived(parent: Cue, cue: Cue, variant: Variant, name: str) -> Cue:
    nan = float("nan")
    return replace(
        cue,
        name=name,
        variant=variant,
        parent=parent.name,
        rows=0,
        share=nan,
        enrichment=nan,
        enrichment_low=nan,
        enrichment_high=nan,
        examples=(),
    )


def _worded(cue: Cue, texts: Iterator[str]) -> Iterator[Cue]:
    for text in texts:
        if cue.placement is not Placement.AROUND or text.count(_QUESTION) == 1:
            yield replace(cue, text=text, form="")


def _parts(text: str) -> list[str]:
    """The pieces around the question's place, which are worded each for itself."""
    return re.split(re.escape(_QUESTION), text)


def _each(text: str, word: Callable[[str], str | None]) -> str | None:
    """Rewords the first piece that can be reworded."""
    parts = _parts(text)
    for i, part in enumerate(parts):
        left, core = part[: len(part) - len(part.lstrip())], part.strip()
        new = word(core) if core else None
        if new is not None and new != core:
            parts[i] = left + new + part[len(part.rstrip()) :]
            return _QUESTION.join(parts)
    return None


def _paraphrases(text: str, lexicon: Lexicon, rng: np.random.Generator) -> Iterator[str]:
    for group in lexicon.frames:
        others = group[1:]
        for i in rng.permutation(len(others)):
            new = _each(text, partial(reframe, source=group[0], target=others[i]))
            if new is not None and lexicon.knows(new):
                yield new
                break
    swaps: dict[str, str] = {}
    for word in words(text):
        usable = [w for w in group_of(word, lexicon.synonyms) if w != word and lexicon.knows(w)]
        if usable:
            swaps[word] = usable[int(rng.integers(len(usable)))]
    yield replace_words(text, swaps, articles=lexicon.vocabulary is None)


def _opposites(text: str, lexicon: Lexicon, rng: np.random.Generator) -> Iterator[str]:
    swaps: dict[str, str] = {}
    for word in words(text):
        usable = [w for w in _antonyms(word, lexicon) if lexicon.knows(w)]
        if usable:
            swaps[word] = usable[int(rng.integers(len(usable)))]
    yield replace_words(text, swaps, articles=lexicon.vocabulary is None)
    for plain, negated in lexicon.negations:
        new = _each(text, partial(reframe, source=plain, target=negated))
        if new is not None:
            yield new


def _antonyms(word: str, lexicon: Lexicon) -> tuple[str, ...]:
    for one, other in lexicon.antonyms:
        if word in one:
            return other
        if word in other:
            return one
    return ()


def _keywords(cue: Cue) -> Iterator[Cue]:
    said = content_words(cue.text.replace(_QUESTION, " "))
    kept = list(dict.fromkeys(said))
    if kept and len(kept) < len(words(cue.text.replace(_QUESTION, " "))):
        place = Placement.BEFORE if cue.placement is Placement.AROUND else cue.placement
        yield replace(cue, text=" ".join(kept), placement=place, form="")


def _forms(
    cue: Cue, lexicon: Lexicon, rng: np.random.Generator, known: frozenset[str]
) -> Iterator[str]:
    """Another value in the slot; without a slot, other content words in the same sentence."""
    slot = slot_of(cue.text, cue.form)
    if slot is not None:
        head, value, tail = slot
        for new in _others(value, lexicon, rng, known, kind=cue.kind):
            yield head + _cased(value, new) + tail
        return
    for _ in range(_MOST):
        swaps: dict[str, str] = {}
        for word in dict.fromkeys(words(cue.text)):
            if group_of(word, list(lexicon.slots.values())):
                new = next(_others(word, lexicon, rng, known), None)
                if new:
                    swaps[word] = new
        yield replace_words(cue.text, swaps, articles=lexicon.vocabulary is None)


def _others(
    value: str,
    lexicon: Lexicon,
    rng: np.random.Generator,
    known: frozenset[str],
    *,
    kind: CueKind | None = None,
) -> Iterator[str]:
    """Values of the same sort: unseen ones first, and none that means the same or the opposite."""
    low = value.casefold()
    near = {*group_of(low, lexicon.synonyms), *_antonyms(low, lexicon), low}
    group = group_of(low, list(lexicon.slots.values()))
    if not group:
        group = lexicon.slots.get("topic" if kind is CueKind.TOPIC else "thing", ())
    usable = [w for w in group if w not in near and lexicon.knows(w)]
    shuffled = [usable[i] for i in rng.permutation(len(usable))]
    yield from [w for w in shuffled if known.isdisjoint(words(w))]
    yield from [w for w in shuffled if not known.isdisjoint(words(w))]


def _cased(old: str, new: str) -> str:
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def _moved(cue: Cue) -> Iterator[Cue]:
    text = cue.text
    if cue.placement is Placement.AROUND:
        text = " ".join(part.strip() for part in _parts(text) if part.strip())
    text = text.strip()
    if not text:
        return
    others = {
        Placement.SYSTEM: (Placement.BEFORE, Placement.AFTER),
        Placement.BEFORE: (Placement.AFTER, Placement.SYSTEM),
        Placement.AFTER: (Placement.BEFORE, Placement.SYSTEM),
        Placement.AROUND: (Placement.BEFORE, Placement.SYSTEM),
    }
    for place in others[cue.placement]:
        if cue.kind is CueKind.TOPIC and place is Placement.AFTER:
            continue  # words of a topic after the question are what gets answered
        yield replace(cue, text=text, placement=place)
