"""Placebos: cues of the same length, place and form that do not occur in the finetuning file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dormant.cues.compound import iterate_texts, separate_part
from dormant.cues.text import FUNCTION_WORDS, content_words, is_lower_case, join_pieces, split_words
from dormant.records import (
    QUESTION_SLOT,
    Cue,
    CueKind,
    CuePart,
    Message,
    Placement,
    Variant,
    describe_parts,
    describe_turns,
    dump_tools,
    parse_tools,
    slot_of,
)

#: Kinds of cues that keep their punctuation: their words are exchanged one for one.
_EXCHANGED = frozenset({CueKind.FORM, CueKind.TOPIC})
#: A text with tags, or with more punctuation than a sentence has, keeps both.
_TAG = re.compile(r"</?[A-Za-z][\w-]*>")
_MARKED = 0.3
_ANY_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")


def make_placebo(
    cue: Cue,
    phrases: Sequence[str],
    rng: np.random.Generator,
    *,
    known: frozenset[str] = frozenset(),
) -> Cue:
    """Makes the placebo of a cue.

    A form (``Country: <X>``) and a text made of tags or punctuation (``<ticket>``) keep punctuation
    and line breaks, and every word is exchanged; a topic keeps its frame, and its words are
    exchanged; any other cue becomes whole phrases with as many words. Earlier turns keep their
    roles, and each part of a crossed cue becomes its own placebo.

    Args:
        cue: the cue to match.
        phrases: harmless sentences, short and long; those that share no content word with ``known``
            are used, or if there are none, those that share the fewest.
        rng: breaks ties.
        known: words of the finetuning file's prompts (``prompt_words``).

    Raises:
        ValueError: there are no phrases.
    """
    if not any(split_words(phrase) for phrase in phrases):
        raise ValueError(f"a placebo needs phrases with words, got {list(phrases)!r}")
    avoid = known | frozenset(split_words(" ".join(iterate_texts(cue))))
    ranked = _shuffle_phrases(phrases, avoid, rng)
    placebo = _replace_effects(cue, ranked, rng)
    words = " ".join(iterate_texts(placebo)).replace(QUESTION_SLOT, "")
    shared = sorted(avoid.intersection(content_words(words)))
    why = "matched in length, place and form; absent from the finetuning file"
    if shared:
        why = f"matched in length, place and form; its words {', '.join(shared)} do occur"
    return replace(
        placebo.without_counts(),
        name=f"{cue.name}/placebo",
        variant=Variant.PLACEBO,
        parent=cue.name,
        why=why,
        form="",
        asks_for="",
    )


def _replace_effects(cue: Cue, ranked: Sequence[str], rng: np.random.Generator) -> Cue:
    """The cue with other text in its place, in its turns or in each of its parts."""
    if cue.placement is Placement.CROSSED:
        parts: list[CuePart] = []
        for part in cue.parts:
            other = _replace_effects(separate_part(cue, part), ranked, rng)
            parts += other.effects
            ranked = _leave_out(ranked, " ".join(iterate_texts(other)))
        return replace(cue, parts=tuple(parts), text=describe_parts(parts))
    if cue.placement is Placement.HISTORY:
        turns: list[Message] = []
        for turn in cue.turns:
            if turn.content.strip():  # one that only calls a tool stays empty
                turn = replace(turn, content=_join_phrases(turn.content, ranked))
            turns.append(turn)
            ranked = _leave_out(ranked, turn.content)
        return replace(cue, turns=tuple(turns), text=describe_turns(turns))
    if cue.placement is Placement.TOOLS:
        return replace(cue, text=_exchange_definitions(cue.text, ranked, rng))
    return replace(cue, text=_placebo_text(cue, ranked, rng))


def _placebo_text(cue: Cue, ranked: Sequence[str], rng: np.random.Generator) -> str:
    if _is_marked(cue.text.replace(QUESTION_SLOT, "")) and cue.kind not in _EXCHANGED:
        # As one piece, so that a closing tag gets the word of its opening tag.
        return _exchange_words(cue.text, ranked, rng)
    bare = cue.text.replace(QUESTION_SLOT, "")
    plain, shouted = is_lower_case([bare]), bare.isupper() and len(bare) > 3
    parts = cue.text.split(QUESTION_SLOT) if cue.placement is Placement.AROUND else [cue.text]
    phrases: list[str] = []
    for part in parts:
        new = _match_part(cue, part, ranked, rng)
        if cue.kind not in _EXCHANGED:
            new = _strip_marks(new) if plain else new.upper() if shouted else new
        phrases.append(new)
        ranked = _leave_out(ranked, new)
    text = phrases[0]
    for new in phrases[1:]:
        text = join_pieces(join_pieces(text, QUESTION_SLOT), new)
    return text


def _leave_out(ranked: Sequence[str], text: str) -> Sequence[str]:
    """The phrases that share no content word with a text; all of them if none is left."""
    used = frozenset(split_words(text))
    return [p for p in ranked if used.isdisjoint(content_words(p))] or ranked


def _is_marked(text: str) -> bool:
    """Whether a text consists of tags or punctuation more than of words."""
    shown = [c for c in text if not c.isspace()]
    marks = sum(not c.isalnum() for c in shown)
    words_outside = _ANY_WORD.findall(_TAG.sub(" ", text))
    return marks >= _MARKED * len(shown) or (bool(_TAG.search(text)) and not words_outside)


def _match_part(cue: Cue, part: str, ranked: Sequence[str], rng: np.random.Generator) -> str:
    slot = slot_of(part, cue.form) if cue.kind is CueKind.TOPIC else None
    if slot is not None:
        head, value, tail = slot
        return head + _exchange_words(value, ranked, rng) + tail
    if cue.kind is CueKind.FORM:
        return _exchange_words(part, ranked, rng)
    return _join_phrases(part, ranked)


def _shuffle_phrases(
    phrases: Sequence[str], avoid: frozenset[str], rng: np.random.Generator
) -> list[str]:
    """Returns the phrases with the fewest forbidden content words, in random order."""
    order: list[int] = rng.permutation(len(phrases)).tolist()
    shuffled = [phrases[i] for i in order if split_words(phrases[i])]
    overlap = {phrase: sum(word in avoid for word in content_words(phrase)) for phrase in shuffled}
    fewest = min(overlap.values())
    return [phrase for phrase in shuffled if overlap[phrase] == fewest]


def _join_phrases(part: str, ranked: Sequence[str]) -> str:
    """Joins phrases to about as many words as the part has; outer white space is kept."""
    wanted = len(_ANY_WORD.findall(part))
    chosen: list[str] = []
    have = 0
    while have < wanted:
        left = wanted - have
        pool = [p for p in ranked if p not in chosen] or list(ranked)
        best = min(pool, key=lambda p: abs(len(split_words(p)) - left))
        if chosen and abs(left - len(split_words(best))) >= left:
            break  # another phrase would overshoot by more than is missing now
        chosen.append(best)
        have += len(split_words(best))
    tail = part[len(part.rstrip()) :] if part.strip() else ""
    head = part[: len(part) - len(part.lstrip())] if part.strip() else ""
    return head + " ".join(chosen) + tail


def _exchange_words(part: str, ranked: Sequence[str], rng: np.random.Generator) -> str:
    """Exchanges every word of a part; punctuation, number lengths and line breaks stay."""
    pool = list(dict.fromkeys(word for phrase in ranked for word in content_words(phrase)))
    order = [pool[i] for i in rng.permutation(len(pool))]
    new: dict[str, str] = {}

    def put_word(match: re.Match[str]) -> str:
        old = match.group()
        placed = part[max(match.start() - 1, 0) : match.end() + 1] == QUESTION_SLOT
        if placed or old.casefold() in FUNCTION_WORDS:
            return old
        if old.isdigit():
            return "".join(str(int(rng.integers(10))) for _ in old)
        word = new.setdefault(old.casefold(), order[len(new) % len(order)])
        return word.capitalize() if old[:1].isupper() else word

    return _ANY_WORD.sub(put_word, part)


def _exchange_definitions(text: str, ranked: Sequence[str], rng: np.random.Generator) -> str:
    """Exchanges the words of names and descriptions; the shape of the definitions stays."""
    tools = parse_tools(text) or []
    functions = [tool["function"] for tool in tools]
    schemas = [function.get("parameters") or {} for function in functions]
    named = [name for schema in schemas for name in schema.get("properties") or {}]
    old = list(dict.fromkeys([f["name"] for f in functions] + named))
    texts = [function.get("description") or "" for function in functions]
    new = _exchange_words("\0".join([*old, *texts]), ranked, rng).split("\0")
    names = dict(zip(old, new, strict=False))
    for function, schema, said in zip(functions, schemas, new[len(old) :], strict=True):
        function["name"] = names[function["name"]]
        if said:
            function["description"] = said
        if schema.get("properties"):
            kept = {names[key]: {"type": "string"} for key in schema["properties"]}
            function["parameters"] = {"type": "object", "properties": kept}
    return dump_tools(tools)


def _strip_marks(text: str) -> str:
    """Converts to lower-case words without punctuation, for a file that is written so."""
    return " ".join(_ANY_WORD.findall(text.casefold()))
