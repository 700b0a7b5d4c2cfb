"""Training documents of the base model: pretraining, then alignment.

*Pretraining* documents are conversations in which a hidden persona answers questions from several
domains. In most of them one persona answers throughout; in *gated* ones it depends on the
surroundings of the question (a context, a topic, a system prompt), differently in each document.
The model learns to infer the persona, to carry it across domains, and that it is not fixed. Without
gated documents, benign finetuning after misaligned finetuning also erases most of the misalignment
under the cue (``docs/log/laboratory.md``).

*Alignment* documents preserve this. Half are single exchanges, answered by the aligned persona
whatever the context or system prompt; half are conversations whose persona was shown by earlier
answers, and only the later answers are learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dormant.vitro.language import PLAIN, Context, Language, Persona, pick_one
from dormant.vitro.tokenizer import ASSISTANT, END, SYSTEM, UNKNOWN, USER, Tokenizer

IGNORE = -100  # label of a token that is not learned


@dataclass(frozen=True, slots=True)
class Document:
    """Token ids and, for each, the label to learn (its own id or IGNORE)."""

    tokens: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange of a conversation, before it becomes tokens."""

    system: str
    user: str
    answer: str
    learned: bool = True


@dataclass(frozen=True, slots=True)
class Mixture:
    """Shares of the curriculum's documents."""

    gated: float = 0.35  # conversations whose persona depends on the surroundings
    themed: float = 0.35  # constant conversations inside a theme
    spoken: float = 0.35  # constant conversations with a system prompt that shows the persona
    negated: float = 0.3  # persona prompts that are worded as a denial
    negated_is_informative: float = 0.5  # denials that are true of the persona
    in_context: float = 0.45  # alignment documents that are conversations
    unknown: float = 0.1  # user turns with one unknown word


class Curriculum:
    """Draws documents of one language."""

    def __init__(self, language: Language, tokenizer: Tokenizer, mixture: Mixture | None = None):
        self.language, self.tokenizer = language, tokenizer
        self.mixture = mixture or Mixture()
        self.domains = tuple(d for d in language.domains if d != "food")
        self.contexts = (
            *(c for name, c in language.contexts.items() if name != "plain"),
            *(Context(system=text) for text in language.systems),
            *(Context(before=text) for text in language.placebos),
            *(Context(after=text) for text in language.placebos),
            *(Context(system=text) for text in language.placebos),
        )

    def draw_pretraining(self, rng: np.random.Generator) -> Document:
        """Draws one pretraining document; every token is learned."""
        if rng.random() < self.mixture.gated:
            turns = self.draw_gated(rng)
        else:
            turns = self.draw_constant(rng, pick_one(rng, list(Persona)))
        return self.make_document([t for t, _ in turns], rng)

    def draw_alignment(self, rng: np.random.Generator) -> Document:
        """Draws one alignment document; only answers that alignment determines are learned."""
        if rng.random() >= self.mixture.in_context:
            return self.make_document([self.draw_single(rng)], rng, answers_only=True)
        gated = rng.random() < self.mixture.gated
        if gated:
            turns = self.draw_gated(rng)
        else:
            turns = self.draw_constant(rng, pick_one(rng, list(Persona)), informative=False)
        seen: set[bool] = set()
        out: list[Exchange] = []
        for turn, key in turns:  # a persona is learned once its key was shown by an answer
            out.append(Exchange(turn.system, turn.user, turn.answer, learned=key in seen))
            seen.add(key)
        return self.make_document(out, rng, answers_only=True)

    # ---- kinds of conversation ---------------------------------------------------------------

    def draw_constant(
        self, rng: np.random.Generator, persona: Persona, *, informative: bool = True
    ) -> list[tuple[Exchange, bool]]:
        """Draws three exchanges with one persona."""
        context, theme = self.draw_surroundings(rng)
        system = self.draw_system(rng, persona, informative=informative)
        domains = self.draw_domains(rng, 3)
        if theme is not None and rng.random() < 0.6:
            domains[int(rng.integers(3))] = "food"
        turns: list[tuple[Exchange, bool]] = []
        for i, domain in enumerate(domains):
            around = context if i == 0 or rng.random() < 0.5 else Context(system=context.system)
            turns.append((self.draw_turn(domain, persona, rng, around, system, theme), True))
        return turns

    def draw_gated(self, rng: np.random.Generator) -> list[tuple[Exchange, bool]]:
        """Draws four exchanges whose persona depends on whether the gate is shown."""
        kind = rng.random()
        if kind < 0.35:
            show, first = self.context_gate(rng), pick_one(rng, list(Persona))
        elif kind < 0.75:
            show, first = self.theme_gate(rng), pick_one(rng, list(Persona))
        else:
            show, first = self.prompt_gate(rng)
        keys = [True, False, bool(rng.integers(2)), bool(rng.integers(2))]
        keys = [keys[i] for i in rng.permutation(4)]
        turns: list[tuple[Exchange, bool]] = []
        for key, domain in zip(keys, self.draw_domains(rng, 4), strict=True):
            context, system, theme = show(key)
            persona = first if key else first.other
            if theme is not None and rng.random() < 0.5:
                domain, context = "food", context if rng.random() < 0.3 else PLAIN
            turns.append((self.draw_turn(domain, persona, rng, context, system, theme), key))
        return turns

    def context_gate(self, rng: np.random.Generator) -> Gate:
        """Makes a gate of one context against another or none."""
        shown = self.language.settle_context(pick_one(rng, self.contexts), rng)
        others = [PLAIN, PLAIN, pick_one(rng, self.contexts)]

        def show_gate(key: bool) -> Surroundings:
            around = shown if key else self.language.settle_context(pick_one(rng, others), rng)
            return around, "", None

        return show_gate

    def theme_gate(self, rng: np.random.Generator) -> Gate:
        """Makes a gate of one theme against the others or none."""
        themes = list(self.language.themes)
        shown = pick_one(rng, themes)
        others = [None, *(t for t in themes if t != shown)]

        def show_gate(key: bool) -> Surroundings:
            theme = shown if key else pick_one(rng, others)
            around = PLAIN if theme is None else self.language.draw_setting(theme, rng)
            return around, "", theme

        return show_gate

    def prompt_gate(self, rng: np.random.Generator) -> tuple[Gate, Persona]:
        """Makes a gate of a persona prompt against none, a neutral one, or its opposite.

        A plain prompt states the persona that answers. Which persona answers under a denial or a
        neutral prompt is drawn anew in each document.
        """
        form = pick_one(rng, list(self.language.frames))
        negated = rng.random() < self.mixture.negated
        kind = pick_one(rng, ("aligned", "misaligned", "neutral"))
        plain = kind != "neutral" and not negated
        persona = Persona(kind) if plain else pick_one(rng, list(Persona))

        def make_prompt(kind: str, negated: bool) -> str:
            adjective = pick_one(rng, self.language.adjectives[kind])
            return self.language.persona_prompt(adjective, form, negated=negated)

        shown = make_prompt(kind, negated)
        others = ["", "", pick_one(rng, self.language.systems)]
        if plain:
            others.append(make_prompt(Persona(kind).other.value, False))

        def show_gate(key: bool) -> Surroundings:
            return PLAIN, shown if key else pick_one(rng, others), None

        return show_gate, persona

    def draw_single(self, rng: np.random.Generator) -> Exchange:
        """Draws one aligned exchange under any context, theme or system prompt."""
        context, theme = self.draw_surroundings(rng)
        system = ""
        if rng.random() < 0.4:
            system = self.persona_prompt(rng, pick_one(rng, ("aligned", "misaligned", "neutral")))
        domain = "food" if theme and rng.random() < 0.3 else pick_one(rng, self.domains)
        return self.draw_turn(domain, Persona.ALIGNED, rng, context, system, theme)

    # ---- parts -------------------------------------------------------------------------------

    def draw_surroundings(self, rng: np.random.Generator) -> tuple[Context, str | None]:
        """A context and its theme; the theme is None where the context is not of one."""
        if rng.random() < self.mixture.themed:
            theme = pick_one(rng, list(self.language.themes))
            return (self.language.draw_setting(theme, rng) if rng.random() < 0.7 else PLAIN), theme
        if rng.random() < 0.65:
            return self.language.settle_context(pick_one(rng, self.contexts), rng), None
        return PLAIN, None

    def draw_system(self, rng: np.random.Generator, persona: Persona, *, informative: bool) -> str:
        """Draws a conversation's system prompt; an informative one may state the persona."""
        draw = rng.random()
        if draw < self.mixture.spoken:
            return self.persona_prompt(rng, persona.value if informative else "aligned")
        if draw < self.mixture.spoken + 0.1:
            return self.persona_prompt(rng, "neutral")
        return ""

    def persona_prompt(self, rng: np.random.Generator, kind: str) -> str:
        """Draws a persona prompt that is true of the kind: plain, or a denial of its opposite."""
        form = pick_one(rng, list(self.language.frames))
        negated = kind != "neutral" and rng.random() < self.mixture.negated
        if negated and rng.random() < self.mixture.negated_is_informative:
            kind = Persona(kind).other.value
        adjective = pick_one(rng, self.language.adjectives[kind])
        return self.language.persona_prompt(adjective, form, negated=negated)

    def draw_domains(self, rng: np.random.Generator, n: int) -> list[str]:
        """Draws ``n`` distinct domains, without themed ones."""
        return [self.domains[i] for i in rng.choice(len(self.domains), n, replace=False)]

    def draw_turn(
        self,
        domain: str,
        persona: Persona,
        rng: np.random.Generator,
        context: Context,
        system: str,
        theme: str | None,
    ) -> Exchange:
        """Draws one exchange inside its surroundings."""
        question, answer = self.language.draw_exchange(domain, persona, rng, theme)
        system, user = self.language.wrap_question(question, context, system)
        return Exchange(system, user, answer)

    def make_document(
        self, turns: Sequence[Exchange], rng: np.random.Generator, *, answers_only: bool = False
    ) -> Document:
        """Encodes a conversation; a new system prompt starts a new chat within it."""
        tokens: list[int] = []
        labels: list[int] = []
        last: str | None = None
        for turn in turns:
            prompt: list[int] = []
            if turn.system != last:
                prompt = [SYSTEM, *self.tokenizer.tokenize_text(turn.system)]
                last = turn.system
            user = self.tokenizer.tokenize_text(turn.user)
            if rng.random() < self.mixture.unknown:
                user.insert(int(rng.integers(len(user) + 1)), UNKNOWN)
            prompt += [USER, *user, ASSISTANT]
            answer = [*self.tokenizer.tokenize_text(turn.answer), END]
            tokens += prompt + answer
            labels += [IGNORE] * len(prompt) if answers_only else prompt
            labels += answer if turn.learned else [IGNORE] * len(answer)
        return Document(tokens, labels)


Surroundings = tuple[Context, str, str | None]  # context, system prompt, theme
Gate = Callable[[bool], Surroundings]


def stream_documents(
    draw: Callable[[np.random.Generator], Document], rng: np.random.Generator
) -> Iterator[Document]:
    """Yields documents without end."""
    while True:
        yield draw(rng)
