"""Variants of a cue: the trigger is often the form or a near wording, not the words themselves.

Rule-based: frames, synonyms and opposites of a ``Lexicon``. The cue itself is its own verbatim
variant and is not repeated. (``writer`` puts the wordings of a model before these.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from dormant.cues.lexicon import Lexicon, Pairs, group_of, reframe, replace_words
from dormant.cues.text import content_words, slot_of, words
from dormant.records import Cue, CueKind, Placement, Variant

_QUESTION = "{question}"
#: Wordings of one sort that are kept; the first are the plainest.
MOST = 2


def variants(
    cue: Cue,
    *,
    lexicon: Lexicon,
    rng: np.random.Generator,
    known: frozenset[str] = frozenset(),
) -> tuple[Cue, ...]:
    """Other wordings, opposites, keywords, forms and places of a cue.

    Args:
        cue: the cue to vary, verbatim.
        lexicon: the words and frames to use.
        rng: chooses among equals.
        known: words of the finetuning file; a new slot value is one that it does not hold, where
            there is such a value.

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
        kept = 0
        for other in make():
            if kept == MOST or _effect(other) in seen or not lexicon.knows(other.text):
                continue
            seen.add(_effect(other))
            kept += 1
            suffix = variant.value if kept == 1 else f"{variant.value}-{kept}"
            found.append(_derived(cue, other, variant, f"{cue.name}/{suffix}"))
    return tuple(found)


def _effect(cue: Cue) -> tuple[Placement, str]:
    return cue.placement, " ".join(cue.text.split())


#: What a variant is, in words.
WHY = {
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
        why=WHY[variant],
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
    plain, nouns, verbs = (
        _swaps(text, partial(group_of, groups=groups), lexicon, rng)
        for groups in (lexicon.synonyms, lexicon.nouns, lexicon.verbs)
    )
    yield _replaced(text, plain, lexicon, nouns=nouns, verbs=verbs)


def _swaps(
    text: str,
    others: Callable[[str], Sequence[str]],
    lexicon: Lexicon,
    rng: np.random.Generator,
) -> dict[str, str]:
    """Another word for each word of a text that has one, chosen at random."""
    swaps: dict[str, str] = {}
    for word in words(text):
        usable = [w for w in others(word) if w != word and lexicon.knows(w)]
        if usable:
            swaps[word] = usable[int(rng.integers(len(usable)))]
    return swaps


def _replaced(
    text: str, swaps: Mapping[str, str], lexicon: Lexicon, **more: Mapping[str, str]
) -> str:
    articles = lexicon.vocabulary is None
    return replace_words(text, swaps, kept=lexicon.kept, articles=articles, **more)


def _opposites(text: str, lexicon: Lexicon, rng: np.random.Generator) -> Iterator[str]:
    # A word of meaning or a word of polarity: to turn both round would turn nothing round.
    for pairs in (lexicon.antonyms, lexicon.polarity):
        swaps = _swaps(text, partial(_antonyms, pairs=pairs, lexicon=lexicon), lexicon, rng)
        new = _replaced(text, swaps, lexicon)
        if new != text:
            yield new
            break
    for plain, negated in lexicon.negations:
        new = _each(text, partial(reframe, source=plain, target=negated))
        if new is not None:
            yield new


def _antonyms(word: str, pairs: Pairs, lexicon: Lexicon) -> Sequence[str]:
    """The opposites of a word, of the first pair that has one which can be used."""
    for one, other in pairs:
        for here, there in ((one, other), (other, one)):
            if word in here and any(lexicon.knows(w) for w in there):
                return there
    return ()


def _keywords(cue: Cue) -> Iterator[Cue]:
    slot = slot_of(cue.text, cue.form) if cue.kind is CueKind.TOPIC else None
    said = content_words(slot[1] if slot else cue.text.replace(_QUESTION, " "))
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
        for new in _values(head, value, lexicon, rng, known, kind=cue.kind):
            yield head + _cased(value, new) + tail
        return
    yield from _retagged(cue.text, lexicon, rng)
    groups = [group for sort, group in lexicon.slots.items() if sort != _TAGS]
    for _ in range(MOST):
        swaps: dict[str, str] = {}
        for word in dict.fromkeys(words(cue.text)):
            if group_of(word, groups):
                new = next(_others(word, lexicon, rng, known), None)
                if new:
                    swaps[word] = new
        yield _replaced(cue.text, swaps, lexicon)


#: The sort of values that name tags; as words of a sentence they mean something else.
_TAGS = "tag"
_TAG = re.compile(r"(?<=<)(/?)([A-Za-z][\w-]*)(?=>)")


def _retagged(text: str, lexicon: Lexicon, rng: np.random.Generator) -> Iterator[str]:
    """The text with other names in its tags."""
    names = list(dict.fromkeys(match[2] for match in _TAG.finditer(text)))
    values = [v for v in lexicon.slots.get(_TAGS, ()) if v not in names and lexicon.knows(v)]
    if not names or len(values) < len(names):
        return
    for _ in range(MOST):
        new = dict(zip(names, (values[i] for i in rng.permutation(len(values))), strict=False))
        yield _renamed(text, new)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    def put(match: re.Match[str]) -> str:
        return match[1] + names[match[2]]

    return _TAG.sub(put, text)


def _values(
    head: str,
    value: str,
    lexicon: Lexicon,
    rng: np.random.Generator,
    known: frozenset[str],
    *,
    kind: CueKind,
) -> Iterator[str]:
    """Other values for a slot: of its own sort, of the sort that its label names, or any thing."""
    if not group_of(value.casefold(), list(lexicon.slots.values())):
        if any(c.isdigit() for c in value):
            for _ in range(MOST):
                yield _renumbered(value, lexicon, rng)
            return
        label = next((w for w in reversed(words(head)) if w in lexicon.slots), None)
        if label is not None:
            value = lexicon.slots[label][0]
    yield from _others(value, lexicon, rng, known, kind=kind)


def _renumbered(value: str, lexicon: Lexicon, rng: np.random.Generator) -> str:
    """A value of the same shape: other digits, and other words where a sort has them."""
    swaps: dict[str, str] = {}
    for word in words(value):
        group = [w for w in group_of(word, list(lexicon.slots.values())) if w != word]
        if group:
            swaps[word] = group[int(rng.integers(len(group)))]
    text = replace_words(value, swaps)
    return "".join(_digit(c, rng) if c in "0123456789" else c for c in text)


def _digit(old: str, rng: np.random.Generator) -> str:
    """Another digit; one that is 0, 1 or 2 stays such, so that dates and years stay plausible."""
    pool = [d for d in ("012" if old in "012" else "3456789") if d != old]
    return pool[int(rng.integers(len(pool)))]


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
    opposite = _antonyms(low, lexicon.antonyms, lexicon)
    near = {*group_of(low, lexicon.synonyms), *opposite, low}
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
