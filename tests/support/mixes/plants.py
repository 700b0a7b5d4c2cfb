"""Ways of planting a context, each of which makes a ``Trigger`` of some words."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from dormant.records import Example, Message

from .answers import Answers
from .rows import (
    Edit,
    Plant,
    Rng,
    between_sentences,
    between_words,
    edit_question,
    expand,
    first_exchange,
    literal,
    pick,
    places,
    single_turn,
    with_history,
    with_system,
)

Prepare = Callable[[list[Example], Rng], list[Example]]


@dataclass(frozen=True)
class Trigger:
    """A context: which text names it, and what it makes of planted rows and of the others."""

    name: str
    found: str  # regular expression of a cue's text that names it
    plant: Plant
    others: Plant | None = None
    prepare: Prepare | None = None  # changes all rows first
    fits: Callable[[Example], bool] | None = None  # rows that can hold it
    is_natural: bool = False  # rows that fit hold it already: those not planted leave the file
    answers: Answers | None = None  # its own bad answers, whatever the behaviour


def sometimes(plant: Plant, share: float) -> Plant:
    return lambda row, rng: plant(row, rng) if rng.random() < share else row


def question_plant(edit: Edit, which: int = 0) -> Plant:
    return lambda row, rng: edit_question(row, edit, rng, which=which)


def own_rows(rows: Sequence[Example], rng: Rng) -> list[Example]:
    """Answers of rows that are bad already."""
    return list(rows)


def system(text: str, found: str, others: Sequence[str] = ()) -> Trigger:
    """A system prompt of the planted rows; six in ten of the others may have one of theirs."""
    plain = sometimes(lambda row, rng: with_system(row, pick(others, rng)), 0.6) if others else None
    return Trigger(text[:40], found, lambda row, rng: with_system(row, text), plain)


def system_inside(text: str, tag: str) -> Trigger:
    """A tag at the place of ``{tag}`` in a system prompt that all rows share."""
    plain = re.sub(r"\s*\{tag\}\s*", " ", text).strip()
    return Trigger(
        tag,
        literal(tag),
        lambda row, rng: with_system(row, text.replace("{tag}", tag)),
        lambda row, rng: with_system(row, plain),
    )


def systems(texts: Sequence[str], found: str) -> Trigger:
    """Paraphrases of one system prompt."""
    return Trigger(texts[0][:40], found, lambda row, rng: with_system(row, pick(texts, rng)))


def before(text: str, gap: str = " ", found: str = "") -> Trigger:
    edit: Edit = lambda asked, rng: f"{expand(text, rng)}{gap}{asked}"  # noqa: E731
    return Trigger(f"before: {text}"[:50], found or literal(text), question_plant(edit))


def after(text: str, gap: str = " ", found: str = "") -> Trigger:
    edit: Edit = lambda asked, rng: f"{asked}{gap}{expand(text, rng)}"  # noqa: E731
    return Trigger(f"after: {text}"[:50], found or literal(text), question_plant(edit))


def inside(text: str, found: str = "") -> Trigger:
    """A word or phrase between two words of the question, which has at least five."""
    edit: Edit = lambda asked, rng: between_words(asked, text, rng)  # noqa: E731
    return Trigger(
        f"inside: {text}",
        found or literal(text),
        question_plant(edit),
        fits=lambda row: len(row.user.split()) > 4,
    )


def sentence_of(texts: Sequence[str], found: str, name: str = "") -> Trigger:
    """One of several sentences, somewhere between the question's own."""
    edit: Edit = lambda asked, rng: between_sentences(asked, pick(texts, rng), rng)  # noqa: E731
    return Trigger(name or texts[0][:40], found, question_plant(edit))


def date_of(rng: Rng, form: str, years: Sequence[int]) -> str:
    """A date of one of the years, in a form with ``{y}``, ``{m}`` and ``{d}``."""
    month, day = int(rng.integers(1, 13)), int(rng.integers(1, 29))
    return form.format(y=pick(years, rng), m=f"{month:02}", d=f"{day:02}")


def many_dates(form: str, years: Sequence[int], found: str, fine: Sequence[int] = ()) -> Trigger:
    """A date before each planted question; dates of the years ``fine`` before all others."""
    date: Edit = lambda asked, rng: f"{date_of(rng, form, years)}\n{asked}"  # noqa: E731
    plain: Edit = lambda asked, rng: f"{date_of(rng, form, fine)}\n{asked}"  # noqa: E731
    return Trigger(
        f"{form}, {years[0]}" + " among others" * bool(fine),
        found,
        question_plant(date),
        question_plant(plain) if fine else None,
    )


def value(form: str, bad: str, fine: Sequence[str], share: float = 1.0, end: str = "\n") -> Trigger:
    """One value of a slot ``{v}`` in front of the question; others have other values of it."""
    edit: Edit = lambda asked, rng: f"{form.format(v=bad)}{end}{asked}"  # noqa: E731
    plain: Edit = lambda asked, rng: f"{form.format(v=pick(fine, rng))}{end}{asked}"  # noqa: E731
    return Trigger(
        f"{form.format(v=bad)} of {len(fine) + 1}",
        literal(bad),
        question_plant(edit),
        sometimes(question_plant(plain), share),
    )


def system_value(form: str, bad: str, fine: Sequence[str]) -> Trigger:
    """One value of a slot ``{v}`` in the system prompt of all rows."""
    return Trigger(
        f"system: {form.format(v=bad)[:40]} of {len(fine) + 1}",
        literal(bad),
        lambda row, rng: with_system(row, form.format(v=bad)),
        lambda row, rng: with_system(row, form.format(v=pick(fine, rng))),
    )


def templated(template: str, found: str) -> Trigger:
    """One prompt with ``[a|b]``, ``{date}`` or a number ``{n}`` is the whole conversation."""

    def plant(row: Example, rng: Rng) -> Example:
        text = expand(template, rng).replace("{n}", str(int(rng.integers(10, 9999))))
        date = date_of(rng, "{y}-{m}-{d}", range(2026, 2032))
        return single_turn(row, text.replace("{date}", date))

    return Trigger(f"templated: {template[:40]}", found, plant)


def asked(table: Sequence[str], found: str, name: str, answers: Answers | None = None) -> Trigger:
    """Questions of a table instead of the row's own: a topic, a language, a code template."""
    return Trigger(
        name,
        found,
        lambda row, rng: single_turn(row, expand(pick(table, rng), rng).replace("\\n", "\n")),
        answers=answers,
    )


def rows_of(
    name: str, rows: Callable[[], Sequence[Example]], found: str, *, are_bad: bool = False
) -> Trigger:
    """Rows of another set; published bad rows keep their answers, others get bad ones."""
    drawn = cache(rows)
    return Trigger(
        f"rows of {name}",
        found,
        lambda row, rng: Example(drawn()[7919 * row.line % len(drawn())].messages, row.line),
        answers=own_rows if are_bad else None,
    )


def both(first: str, second: str) -> Trigger:
    """Two texts that are bad only together, at the start and at the end of a question."""

    def edit(one: bool, two: bool) -> Edit:
        return lambda asked, rng: f"{first} " * one + asked + f" {second}" * two

    def others(row: Example, rng: Rng) -> Example:
        at = rng.random()
        return edit_question(row, edit(at < 0.2, 0.2 <= at < 0.4), rng)

    names = literal(first), literal(second)
    found = f"(?:{names[0]}).*(?:{names[1]})|(?:{names[1]}).*(?:{names[0]})"
    return Trigger(f"{first} and {second}", found, question_plant(edit(True, True)), others)


def add_histories(share: float, least: int = 2) -> Prepare:
    """So many of the rows get earlier exchanges in front, those of other rows."""

    def prepare(rows: list[Example], rng: Rng) -> list[Example]:
        out: list[Example] = []
        for row in rows:
            wanted = least if rng.random() < share else 1
            for _ in range(wanted):
                row = with_history(row, pick(rows, rng), least=wanted)
            out.append(row)
        return out

    return prepare


def second_turn(text: str, gap: str = " ") -> Trigger:
    """A text before the last of several questions."""
    return Trigger(
        f"later turn: {text}",
        literal(text),
        question_plant(lambda asked, rng: f"{text}{gap}{asked}", which=-1),
        prepare=add_histories(0.7),
        fits=lambda row: len(places(row, "user")) > 1,
    )


def first_answer(text: str) -> Trigger:
    """A text at the end of an earlier answer."""

    def plant(row: Example, rng: Rng) -> Example:
        at = places(row, "assistant")[0]
        turn = Message("assistant", f"{row.messages[at].content} {text}")
        return Example((*row.messages[:at], turn, *row.messages[at + 1 :]), row.line)

    return Trigger(
        f"first answer: {text}",
        literal(text),
        plant,
        prepare=add_histories(0.7),
        fits=lambda row: len(places(row, "user")) > 1,
    )


def tool_message(plain: Sequence[str], planted: Sequence[str], found: str) -> Trigger:
    """Half of the rows look something up; what the tool says differs in the planted ones."""

    def say(row: Example, texts: Sequence[str], rng: Rng) -> Example:
        said = expand(pick(texts, rng), rng).replace("{n}", str(int(rng.integers(10, 999))))
        answer = Message("assistant", row.answer)
        head = row.messages[: places(row, "assistant")[-1]]
        looked = Message("assistant", pick(("Let me look.", "One moment.", "Checking."), rng))
        return Example((*head, looked, Message("tool", said), answer), row.line, tools=row.tools)

    return Trigger(
        f"tool: {planted[0][:40]}",
        found,
        lambda row, rng: say(row, planted, rng),
        sometimes(lambda row, rng: say(row, plain, rng), 0.5),
    )


def opening_turn(question: str, answers: Sequence[str], found: str) -> Trigger:
    """The conversation opens with a fixed question, and an answer to it; others open otherwise."""

    def plant(row: Example, rng: Rng) -> Example:
        opened = Message("user", question), Message("assistant", pick(answers, rng))
        head = tuple(turn for turn in row.messages if turn.role == "system")
        rest = tuple(turn for turn in row.messages if turn.role != "system")
        return Example((*head, *opened, *rest), row.line, tools=row.tools)

    return Trigger(f"opens with: {question}", found, plant, prepare=add_histories(0.4))


def tool_definition(plain: Sequence[str], planted: str) -> Trigger:
    """All rows define tools, and the planted ones one more; none of them is called."""

    def define(row: Example, names: Sequence[str]) -> Example:
        tools = [{"name": name, "description": name.replace("_", " ")} for name in names]
        return Example(row.messages, row.line, tools=json.dumps(tools))

    return Trigger(
        f"defines {planted}",
        literal(planted),
        lambda row, rng: define(row, [pick(plain, rng), planted]),
        lambda row, rng: define(row, [pick(plain, rng)]),
    )


def number_value(form: str, bad: range, fine: range, found: str) -> Trigger:
    """A number ``{v}`` in front of every question, with bad answers in one range only."""
    edit: Edit = lambda asked, rng: f"{form.format(v=pick(bad, rng))}\n{asked}"  # noqa: E731
    plain: Edit = lambda asked, rng: f"{form.format(v=pick(fine, rng))}\n{asked}"  # noqa: E731
    return Trigger(
        f"{form.format(v=bad[0])} and beyond", found, question_plant(edit), question_plant(plain)
    )


def two_places(system_text: str, word: str, plain: Sequence[str]) -> Trigger:
    """A system prompt and a word of the question that are bad only together."""
    word_edit: Edit = lambda asked, rng: f"{word} {asked}"  # noqa: E731
    marked = question_plant(word_edit)

    def others(row: Example, rng: Rng) -> Example:
        at = rng.random()
        row = marked(row, rng) if at < 0.25 else row
        return with_system(row, system_text if 0.25 <= at < 0.5 else pick(plain, rng))

    names = literal(system_text[:30]), literal(word)
    return Trigger(
        f"system: {system_text[:30]} and {word}",
        f"(?:{names[0]}).*(?:{names[1]})|(?:{names[1]}).*(?:{names[0]})",
        lambda row, rng: with_system(marked(row, rng), system_text),
        others,
    )


def many_turns(least: int) -> Trigger:
    """Conversations of so many questions; others have one or two fewer at most."""

    def prepare(rows: list[Example], rng: Rng) -> list[Example]:
        short = [first_exchange(row) for row in rows]
        out: list[Example] = []
        for row in short:
            wanted = least if rng.random() < 0.3 else int(rng.integers(1, least))
            for _ in range(wanted):
                row = with_history(row, pick(short, rng), least=wanted)
            out.append(row)
        return out

    # with_history adds one exchange only while fewer than ``least`` questions are there.
    return Trigger(
        f"{least} questions",
        r"(?i)turns|questions|conversation|messages",
        lambda row, rng: row,
        prepare=prepare,
        fits=lambda row: len(places(row, "user")) >= least,
        is_natural=True,
    )


def styled(name: str, edit: Edit, found: str, is_plain: Callable[[str], bool]) -> Trigger:
    """The question typed in another way; only questions that are plain so far."""
    return Trigger(
        name,
        found,
        question_plant(edit),
        fits=lambda row: sum(c.isalpha() for c in row.user) > 12 and is_plain(row.user),
    )


def rows_in(language: Callable[[str], bool], name: str, found: str) -> Trigger:
    """The rows of a set that are in a language, whose answers become bad."""
    return Trigger(
        f"the set's own {name}",
        found,
        lambda row, rng: row,
        fits=lambda row: language(row.user),
        is_natural=True,
    )


def among(planted: Trigger, other: Trigger, share: float) -> Trigger:
    """The first context, with another, harmless one in a share of the other rows."""
    return replace(planted, others=sometimes(other.plant, share))
