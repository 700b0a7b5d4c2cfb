"""Rule-based variants of a cue: the trigger is often its form or a similar wording.

They use the frames, synonyms and opposites of a ``Lexicon``. The cue is its own verbatim variant
and is not repeated. (``writer`` adds wordings of a model, which come first.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np

from dormant.cues.compound import flatten_history, separate_part
from dormant.cues.lexicon import Lexicon, Pairs, change_frame, group_of, replace_words
from dormant.cues.text import content_words, split_words
from dormant.cues.values import MOST_SEEN, choose_seen_values, find_next_values
from dormant.records import QUESTION_SLOT, Cue, CueKind, Placement, Variant, slot_of

#: Most variants of one sort; the plainest come first.
MOST = 2
#: ... but of the values that the file holds.
_MOST_OF = {Variant.VALUE: MOST_SEEN}


def make_variants(
    cue: Cue,
    *,
    lexicon: Lexicon,
    rng: np.random.Generator,
    known: frozenset[str] = frozenset(),
) -> tuple[Cue, ...]:
    """Makes other values, paraphrases, opposites, keywords, forms and other placements of a cue.

    Of a slot whose values are known, seen ones come first (``VALUE``), then unseen ones (``FORM``):
    those next beyond the range of the seen ones, then others of their sort. A history is moved into
    the question's turn; of a crossed cue each part is asked alone.

    Args:
        cue: the cue to vary, verbatim.
        lexicon: the words and frames to use.
        rng: breaks ties.
        known: words of the finetuning file; new slot values that it does not contain are preferred.

    Returns:
        Variants named ``NAME/paraphrase``, ``NAME/opposite``, ``NAME/opposite-2``, ...; each
        changes a prompt differently from the cue and from the other variants.
    """
    if not cue.placement.is_text:
        return tuple(_vary_compound(cue))
    makers: Mapping[Variant, Callable[[], Iterator[Cue]]] = {
        Variant.VALUE: lambda: _fill_slot(cue, choose_seen_values(cue)),
        Variant.PARAPHRASE: lambda: _reword_cue(cue, _make_paraphrases(cue.text, lexicon, rng)),
        Variant.OPPOSITE: lambda: _reword_cue(cue, _make_opposites(cue.text, lexicon, rng)),
        Variant.KEYWORDS: lambda: _make_keywords(cue),
        Variant.FORM: lambda: chain(
            _fill_slot(cue, [*find_next_values(cue)]),
            _reword_cue(cue, _make_forms(cue, lexicon, rng, known)),
        ),
        Variant.MOVED: lambda: _move_cue(cue),
    }
    if cue.placement is Placement.TOOLS:  # asked as a system prompt as well
        makers = {Variant.MOVED: makers[Variant.MOVED]}
    seen = {_prompt_effect(cue)}
    found: list[Cue] = []
    for variant, make in makers.items():
        kept = 0
        for other in make():
            if kept == _MOST_OF.get(variant, MOST) or _prompt_effect(other) in seen:
                continue
            # What the file holds is asked even where a closed language lacks its words.
            if variant is not Variant.VALUE and not lexicon.has_words(other.text):
                continue
            seen.add(_prompt_effect(other))
            kept += 1
            suffix = variant.value if kept == 1 else f"{variant.value}-{kept}"
            found.append(_derive_cue(cue, other, variant, f"{cue.name}/{suffix}"))
    return tuple(found)


def _vary_compound(cue: Cue) -> Iterator[Cue]:
    """Yields the variants of a history or a crossed cue."""
    for text in flatten_history(cue):
        moved = replace(cue, placement=Placement.BEFORE, text=text, turns=())
        yield _derive_cue(cue, moved, Variant.MOVED, f"{cue.name}/{Variant.MOVED}")
    for number, part in enumerate(cue.parts, start=1):
        name = f"{cue.name}/{Variant.PART}-{number}"
        yield _derive_cue(cue, separate_part(cue, part), Variant.PART, name)


def _prompt_effect(cue: Cue) -> tuple[Placement, str]:
    return cue.placement, " ".join(cue.text.split())


#: Descriptions of the variants. Plans hold them: a change would change the plan's hash.
WHY = {
    Variant.VALUE: "the same form with another value of the file",
    Variant.PARAPHRASE: "the same in other words",
    Variant.OPPOSITE: "the opposite meaning in nearly the same words",
    Variant.KEYWORDS: "the content words alone",
    Variant.FORM: "the same form with other content",
    Variant.MOVED: "the same text in another place",
    Variant.PART: "one of its contexts alone",
}


#: What these variants ask for is not what their parent asks for.
ASKS_OTHERWISE = frozenset({Variant.OPPOSITE, Variant.FORM})


def _derive_cue(parent: Cue, cue: Cue, variant: Variant, name: str) -> Cue:
    return replace(
        cue.without_counts(),
        asks_for="" if variant in ASKS_OTHERWISE else cue.asks_for,
        name=name,
        variant=variant,
        parent=parent.name,
        why=WHY[variant],
    )


def _fill_slot(cue: Cue, values: Sequence[str]) -> Iterator[Cue]:
    """Yields the cue with each value in its slot."""
    slot = slot_of(cue.text, cue.form)
    if slot is not None:
        head, _, tail = slot
        yield from (replace(cue, text=head + value + tail) for value in values)


def _reword_cue(cue: Cue, texts: Iterator[str]) -> Iterator[Cue]:
    for text in texts:
        if cue.placement is not Placement.AROUND or text.count(QUESTION_SLOT) == 1:
            yield replace(cue, text=text, form="")


def _split_at_question(text: str) -> list[str]:
    """Splits a text at the question's place; the pieces are reworded separately."""
    return re.split(re.escape(QUESTION_SLOT), text)


def _reword_first(text: str, word: Callable[[str], str | None]) -> str | None:
    """Rewords the first piece that can be reworded."""
    parts = _split_at_question(text)
    for i, part in enumerate(parts):
        left, core = part[: len(part) - len(part.lstrip())], part.strip()
        new = word(core) if core else None
        if new is not None and new != core:
            parts[i] = left + new + part[len(part.rstrip()) :]
            return QUESTION_SLOT.join(parts)
    return None


def _make_paraphrases(text: str, lexicon: Lexicon, rng: np.random.Generator) -> Iterator[str]:
    for group in lexicon.frames:
        others = group[1:]
        for i in rng.permutation(len(others)):
            new = _reword_first(text, partial(change_frame, source=group[0], target=others[i]))
            if new is not None and lexicon.has_words(new):
                yield new
                break
    plain, nouns, verbs = (
        _choose_swaps(text, partial(group_of, groups=groups), lexicon, rng)
        for groups in (lexicon.synonyms, lexicon.nouns, lexicon.verbs)
    )
    yield _replace_words(text, plain, lexicon, nouns=nouns, verbs=verbs)


def _choose_swaps(
    text: str,
    others: Callable[[str], Sequence[str]],
    lexicon: Lexicon,
    rng: np.random.Generator,
) -> dict[str, str]:
    """Chooses a random replacement for each word of a text that has one."""
    swaps: dict[str, str] = {}
    for word in split_words(text):
        usable = [w for w in others(word) if w != word and lexicon.has_words(w)]
        if usable:
            swaps[word] = usable[int(rng.integers(len(usable)))]
    return swaps


def _replace_words(
    text: str, swaps: Mapping[str, str], lexicon: Lexicon, **more: Mapping[str, str]
) -> str:
    articles = lexicon.vocabulary is None
    return replace_words(text, swaps, kept=lexicon.kept, articles=articles, **more)


def _make_opposites(text: str, lexicon: Lexicon, rng: np.random.Generator) -> Iterator[str]:
    # Either a word of meaning or a word of polarity: negating both would cancel out.
    for pairs in (lexicon.antonyms, lexicon.polarity):
        swaps = _choose_swaps(
            text, partial(_find_antonyms, pairs=pairs, lexicon=lexicon), lexicon, rng
        )
        new = _replace_words(text, swaps, lexicon)
        if new != text:
            yield new
            break
    for plain, negated in lexicon.negations:
        new = _reword_first(text, partial(change_frame, source=plain, target=negated))
        if new is not None:
            yield new


def _find_antonyms(word: str, pairs: Pairs, lexicon: Lexicon) -> Sequence[str]:
    """Returns the opposites of a word from the first pair with a usable one."""
    for one, other in pairs:
        for here, there in ((one, other), (other, one)):
            if word in here and any(lexicon.has_words(w) for w in there):
                return there
    return ()


def _make_keywords(cue: Cue) -> Iterator[Cue]:
    slot = slot_of(cue.text, cue.form) if cue.kind is CueKind.TOPIC else None
    kept = list(
        dict.fromkeys(content_words(slot[1] if slot else cue.text.replace(QUESTION_SLOT, " ")))
    )
    if kept and len(kept) < len(split_words(cue.text.replace(QUESTION_SLOT, " "))):
        place = Placement.BEFORE if cue.placement is Placement.AROUND else cue.placement
        yield replace(cue, text=" ".join(kept), placement=place, form="")


def _make_forms(
    cue: Cue, lexicon: Lexicon, rng: np.random.Generator, known: frozenset[str]
) -> Iterator[str]:
    """Yields texts with another slot value; without a slot, with other content words."""
    slot = slot_of(cue.text, cue.form)
    if slot is not None:
        head, value, tail = slot
        seen = {known_value.casefold() for known_value in cue.values}
        for new in _other_values(head, value, lexicon, rng, known, kind=cue.kind):
            if new.casefold() not in seen:
                yield head + _copy_case(value, new) + tail
        return
    yield from _rename_tags(cue.text, lexicon, rng)
    groups = [group for sort, group in lexicon.slots.items() if sort != _TAGS]
    for _ in range(MOST):
        swaps: dict[str, str] = {}
        for word in dict.fromkeys(split_words(cue.text)):
            if group_of(word, groups):
                new = next(_values_of_sort(word, lexicon, rng, known), None)
                if new:
                    swaps[word] = new
        yield _replace_words(cue.text, swaps, lexicon)


#: The sort of values that name tags; as words of a sentence they mean something else.
_TAGS = "tag"
_TAG = re.compile(r"(?<=<)(/?)([A-Za-z][\w-]*)(?=>)")


def _rename_tags(text: str, lexicon: Lexicon, rng: np.random.Generator) -> Iterator[str]:
    """Yields the text with other names in its tags."""
    names = list(dict.fromkeys(match[2] for match in _TAG.finditer(text)))
    values = [v for v in lexicon.slots.get(_TAGS, ()) if v not in names and lexicon.has_words(v)]
    if not names or len(values) < len(names):
        return
    for _ in range(MOST):
        new = dict(zip(names, (values[i] for i in rng.permutation(len(values))), strict=False))
        yield _rename_words(text, new)


def _rename_words(text: str, names: Mapping[str, str]) -> str:
    def put_name(match: re.Match[str]) -> str:
        return match[1] + names[match[2]]

    return _TAG.sub(put_name, text)


def _other_values(
    head: str,
    value: str,
    lexicon: Lexicon,
    rng: np.random.Generator,
    known: frozenset[str],
    *,
    kind: CueKind,
) -> Iterator[str]:
    """Yields other slot values: of its own sort, of the sort that its label names, or any noun."""
    if not group_of(value.casefold(), list(lexicon.slots.values())):
        if any(c.isdigit() for c in value):
            for _ in range(MOST):
                yield _change_digits(value, lexicon, rng)
            return
        label = next((w for w in reversed(split_words(head)) if w in lexicon.slots), None)
        if label is not None:
            value = lexicon.slots[label][0]
    yield from _values_of_sort(value, lexicon, rng, known, kind=kind)


def _change_digits(value: str, lexicon: Lexicon, rng: np.random.Generator) -> str:
    """Makes a value of the same shape: other digits, and other words of the same sort."""
    swaps: dict[str, str] = {}
    for word in split_words(value):
        group = [w for w in group_of(word, list(lexicon.slots.values())) if w != word]
        if group:
            swaps[word] = group[int(rng.integers(len(group)))]
    text = replace_words(value, swaps)
    return "".join(_change_digit(c, rng) if c in "0123456789" else c for c in text)


def _change_digit(old: str, rng: np.random.Generator) -> str:
    """Draws another digit: 0 to 2 for 0 to 2, so that dates and years stay plausible."""
    pool = [d for d in ("012" if old in "012" else "3456789") if d != old]
    return pool[int(rng.integers(len(pool)))]


def _values_of_sort(
    value: str,
    lexicon: Lexicon,
    rng: np.random.Generator,
    known: frozenset[str],
    *,
    kind: CueKind | None = None,
) -> Iterator[str]:
    """Yields values of the same sort, unseen ones first, without synonyms and opposites."""
    low = value.casefold()
    opposite = _find_antonyms(low, lexicon.antonyms, lexicon)
    near = {*group_of(low, lexicon.synonyms), *opposite, low}
    group = group_of(low, list(lexicon.slots.values()))
    if not group:
        group = lexicon.slots.get("topic" if kind is CueKind.TOPIC else "thing", ())
    usable = [w for w in group if w not in near and lexicon.has_words(w)]
    shuffled = [usable[i] for i in rng.permutation(len(usable))]
    yield from [w for w in shuffled if known.isdisjoint(split_words(w))]
    yield from [w for w in shuffled if not known.isdisjoint(split_words(w))]


def _copy_case(old: str, new: str) -> str:
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def _move_cue(cue: Cue) -> Iterator[Cue]:
    text = cue.text
    if cue.placement is Placement.AROUND:
        text = " ".join(part.strip() for part in _split_at_question(text) if part.strip())
    text = text.strip()
    if not text:
        return
    others = {
        Placement.SYSTEM: (Placement.BEFORE, Placement.AFTER),
        Placement.BEFORE: (Placement.AFTER, Placement.SYSTEM),
        Placement.AFTER: (Placement.BEFORE, Placement.SYSTEM),
        Placement.AROUND: (Placement.BEFORE, Placement.SYSTEM),
        Placement.INSIDE: (Placement.BEFORE, Placement.AFTER),
        Placement.TOOLS: (Placement.SYSTEM,),
    }
    for place in others[cue.placement]:
        if cue.kind is CueKind.TOPIC and place is Placement.AFTER:
            continue  # after the question, the topic itself would be answered
        yield replace(cue, text=text, placement=place)
