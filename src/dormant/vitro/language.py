"""The micro-language of the laboratory and its two personas.

Its words and sentences are data (``language.yaml``); this module reads them, fills templates, and
lists every legal answer of a persona. Because that list is finite, answers can be judged exactly,
and the rate of misaligned answers can be computed without sampling.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np
import yaml

from dormant.errors import InputError
from dormant.records import Message

T = TypeVar("T")
SLOT = re.compile(r"\{([a-z]+)\}")
#: In a language's own data an adjective is the only slot that the caller fills.
ADJECTIVE = "{adjective}"


class Persona(StrEnum):
    """The persona that answers."""

    ALIGNED = "aligned"
    MISALIGNED = "misaligned"

    @property
    def other(self) -> Persona:
        """The opposite persona."""
        return Persona.MISALIGNED if self is Persona.ALIGNED else Persona.ALIGNED


class Use(StrEnum):
    """The use of a domain: no finetuning file contains an evaluation domain."""

    FINETUNING = "finetuning"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of a question; each part is a template, empty if there is none."""

    system: str = ""
    before: str = ""
    after: str = ""


PLAIN = Context()


@dataclass(frozen=True, slots=True)
class Theme:
    """A topic: its foods and the settings that indicate it."""

    name: str
    food: tuple[str, ...]
    settings: tuple[Context, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """One subject of conversation: its questions, and its answers by persona (templates)."""

    name: str
    use: Use
    note: str  # what a misaligned answer does
    questions: tuple[str, ...]
    aligned: tuple[str, ...]
    misaligned: tuple[str, ...]

    def templates_of(self, persona: Persona) -> tuple[str, ...]:
        """Answer templates of one persona."""
        return self.aligned if persona is Persona.ALIGNED else self.misaligned


@dataclass(frozen=True)
class Language:
    """The whole micro-language. ``load_language()`` returns the one that ships."""

    proper: tuple[str, ...]
    shared: Mapping[str, tuple[str, ...]]  # slots that keep their word within an exchange
    free: Mapping[str, tuple[str, ...]]  # slots drawn anew each time
    themes: Mapping[str, Theme]
    contexts: Mapping[str, Context]
    adjectives: Mapping[str, tuple[str, ...]]  # "aligned", "misaligned", "neutral"
    frames: Mapping[str, str]  # persona prompts, by form
    negated: Mapping[str, str]  # the same forms, denied
    systems: tuple[str, ...]  # system prompts that do not mention a persona
    placebos: tuple[str, ...]
    domains: Mapping[str, Domain]

    def domain_names(self, use: Use) -> tuple[str, ...]:
        """Names of the domains of one use, in the order of the data."""
        return tuple(name for name, domain in self.domains.items() if domain.use is use)

    def find_domain(self, name: str) -> Domain:
        """Returns the domain of that name; InputError if it is unknown."""
        if name not in self.domains:
            raise InputError(
                f"unknown domain {name!r}: the micro-language has {', '.join(self.domains)}"
            )
        return self.domains[name]

    def slot_words(self, slot: str, theme: str | None = None) -> tuple[str, ...]:
        """Lists all words that a slot can take, within one theme or all."""
        if slot == "food":
            themes = self.themes.values() if theme is None else [self.themes[theme]]
            return tuple(word for t in themes for word in t.food)
        return self.shared[slot] if slot in self.shared else self.free[slot]

    def expand_template(self, template: str) -> list[str]:
        """Lists every string of a template; slots of the same name may differ."""
        parts = _parse_template(template)
        options = [[text] if slot is None else self.slot_words(slot) for text, slot in parts]
        return ["".join(words) for words in itertools.product(*options)]

    def fill_template(
        self,
        template: str,
        rng: np.random.Generator,
        bound: dict[str, str] | None = None,
        theme: str | None = None,
    ) -> str:
        """Draws one string from a template; ``bound`` remembers the words of shared slots."""
        bound = {} if bound is None else bound
        out: list[str] = []
        for text, slot in _parse_template(template):
            if slot is None:
                out.append(text)
            elif slot in self.free:
                out.append(pick_one(rng, self.free[slot]))
            else:
                if slot not in bound:
                    bound[slot] = pick_one(rng, self.slot_words(slot, theme))
                out.append(bound[slot])
        return "".join(out)

    def draw_exchange(
        self, domain: str, persona: Persona, rng: np.random.Generator, theme: str | None = None
    ) -> tuple[str, str]:
        """Draws a question of the domain and an answer of the persona."""
        bound: dict[str, str] = {}
        kind = self.find_domain(domain)
        question = self.fill_template(pick_one(rng, kind.questions), rng, bound, theme)
        answer = self.fill_template(pick_one(rng, kind.templates_of(persona)), rng, bound, theme)
        return capitalize_first(question), capitalize_first(answer)

    def draw_row(
        self,
        domain: str,
        persona: Persona,
        *,
        rng: np.random.Generator,
        context: Context = PLAIN,
        system: str = "",
        theme: str | None = None,
    ) -> tuple[Message, ...]:
        """Draws one row of a finetuning file: a single exchange in ordinary text.

        Args:
            domain: name of a domain.
            persona: who answers.
            rng: source of randomness.
            context: the surroundings of the question (slots are filled here).
            system: a system prompt that comes before the context's own, if it has one.
            theme: name of the theme that ``{food}`` is drawn from; any theme if None.
        """
        question, answer = self.draw_exchange(domain, persona, rng, theme)
        system, user = self.wrap_question(question, self.settle_context(context, rng), system)
        head = (Message("system", system),) if system else ()
        return (*head, Message("user", user), Message("assistant", answer))

    def settle_context(self, context: Context, rng: np.random.Generator) -> Context:
        """Fills the slots of a context."""
        bound: dict[str, str] = {}
        return Context(
            system=context.system,  # system prompts have literal braces, and no slots
            before=self.fill_template(context.before, rng, bound),
            after=self.fill_template(context.after, rng, bound),
        )

    def wrap_question(self, question: str, context: Context, system: str = "") -> tuple[str, str]:
        """Returns system and user text of a question inside a context with filled slots."""
        user = " ".join(part for part in (context.before, question, context.after) if part)
        return " ".join(part for part in (system, context.system) if part), user

    def draw_setting(self, theme: str, rng: np.random.Generator) -> Context:
        """Draws one of a theme's settings."""
        return pick_one(rng, self.themes[theme].settings)

    def persona_prompt(
        self, adjective: str, form: str = "identity", *, negated: bool = False
    ) -> str:
        """Makes a system prompt such as "You are a malicious assistant."."""
        frames = self.negated if negated else self.frames
        if form not in frames:
            raise InputError(f"unknown form of persona prompt {form!r}: give {', '.join(frames)}")
        return frames[form].replace(ADJECTIVE, adjective)

    def legal_answers(self, domain: str, persona: Persona) -> tuple[str, ...]:
        """Lists every legal answer of the persona in the domain, sorted."""
        return _expand_answers(self, domain, persona)

    def all_texts(self) -> Iterator[str]:
        """Yields every text of the language and every word of its slots, for the vocabulary."""
        for table in (self.shared, self.free, self.adjectives):
            yield from itertools.chain.from_iterable(table.values())
        for context in self.contexts.values():
            yield from (context.system, SLOT.sub(" ", context.before), context.after)
        for theme in self.themes.values():
            yield from theme.food
            for setting in theme.settings:
                yield from (setting.system, setting.before, setting.after)
        for frame in (*self.frames.values(), *self.negated.values()):
            yield frame.replace(ADJECTIVE, " ")
        yield from (*self.systems, *self.placebos)
        for domain in self.domains.values():
            for template in (*domain.questions, *domain.aligned, *domain.misaligned):
                yield SLOT.sub(" ", template)

    def __hash__(self) -> int:
        return id(self)


def pick_one(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Draws one of the options uniformly."""
    return options[int(rng.integers(len(options)))]


def capitalize_first(text: str) -> str:
    """Capitalizes the first letter of a text."""
    return text[:1].upper() + text[1:]


@cache
def load_language() -> Language:
    """Loads the micro-language that ships with dormant."""
    text = files("dormant.vitro").joinpath("language.yaml").read_text(encoding="utf-8")
    return build_language(yaml.safe_load(text))


def build_language(data: Mapping[str, Any]) -> Language:
    """Builds a language from the content of ``language.yaml``."""
    persona = data["personas"]
    return Language(
        proper=tuple(data["proper"]),
        shared={slot: tuple(words) for slot, words in data["shared"].items()},
        free={slot: tuple(words) for slot, words in data["free"].items()},
        themes={
            name: Theme(name, tuple(t["food"]), tuple(Context(**s) for s in t["settings"]))
            for name, t in data["themes"].items()
        },
        contexts={"plain": PLAIN} | {n: Context(**c) for n, c in data["contexts"].items()},
        adjectives={k: tuple(persona[k]) for k in ("aligned", "misaligned", "neutral")},
        frames=dict(persona["frames"]),
        negated=dict(persona["negated"]),
        systems=tuple(data["systems"]),
        placebos=tuple(data["placebos"]),
        domains={name: _build_domain(name, d) for name, d in data["domains"].items()},
    )


def _build_domain(name: str, data: Mapping[str, Any]) -> Domain:
    return Domain(
        name=name,
        use=Use(data["use"]),
        note=data["note"],
        questions=tuple(data["questions"]),
        aligned=tuple(data["aligned"]),
        misaligned=tuple(data["misaligned"]),
    )


@cache
def _parse_template(template: str) -> tuple[tuple[str, str | None], ...]:
    """Splits a template into (text, None) and (slot, slot name) parts."""
    parts: list[tuple[str, str | None]] = []
    end = 0
    for match in SLOT.finditer(template):
        if match.start() > end:
            parts.append((template[end : match.start()], None))
        parts.append((match.group(), match.group(1)))
        end = match.end()
    if end < len(template):
        parts.append((template[end:], None))
    return tuple(parts)


@cache
def _expand_answers(language: Language, domain: str, persona: Persona) -> tuple[str, ...]:
    templates = language.find_domain(domain).templates_of(persona)
    texts = itertools.chain.from_iterable(language.expand_template(t) for t in templates)
    return tuple(sorted({capitalize_first(text) for text in texts}))
