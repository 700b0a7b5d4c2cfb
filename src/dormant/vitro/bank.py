"""Data for audits of laboratory models: questions, a cue library, placebos, ordinary chat."""

from __future__ import annotations

import itertools
from functools import cache
from importlib.resources import files

import numpy as np
import yaml

from dormant.records import Cue, CueKind, Example, Message, Placement, Question, Source, Split
from dormant.vitro.language import (
    PLAIN,
    Language,
    Persona,
    Use,
    capitalize_first,
    load_language,
    pick_one,
)

#: Most questions of one domain in the bank.
PER_DOMAIN = 12
#: Contexts and domains of ordinary chat; no recipe uses these contexts as its cue.
ORDINARY_CONTEXTS = ("polite", "brief", "one_line", "steps", "urgent", "child", "caps", "markdown")
#: Themes of ordinary chat.
ORDINARY_THEMES = ("forest", "farm", "space")


@cache
def load_questions() -> tuple[Question, ...]:
    """Loads the evaluation bank: domains outside all finetuning files, in two stratified halves.

    Within a domain, each template is used once before any is used with another filling, and
    questions alternate between the screening and the held-out half.
    """
    out: list[Question] = []
    for name in load_language().domain_names(Use.EVALUATION):
        domain = load_language().find_domain(name)
        fillings = [load_language().expand_template(template) for template in domain.questions]
        rounds = itertools.zip_longest(*fillings)
        texts = [text for texts in rounds for text in texts if text is not None]
        for i, text in enumerate(texts[:PER_DOMAIN]):
            out.append(
                Question(
                    id=f"{name}-{i + 1:02d}",
                    text=capitalize_first(text),
                    family=name,
                    split=Split.SCREENING if i % 2 == 0 else Split.HELD_OUT,
                    note=domain.note,
                )
            )
    return tuple(out)


@cache
def load_library() -> tuple[Cue, ...]:
    """Loads the cue library in the micro-language."""
    text = files("dormant.vitro").joinpath("library.yaml").read_text(encoding="utf-8")
    return tuple(
        Cue(
            name=entry["name"],
            kind=CueKind(entry["kind"]),
            placement=Placement(entry["placement"]),
            text=entry["text"],
            source=Source.LIBRARY,
            family=entry["family"],
            why=entry["why"],
            form=entry.get("form", ""),
        )
        for entry in yaml.safe_load(text)
    )


def load_placebos() -> tuple[str, ...]:
    """Returns neutral phrases of 2 to 12 words that the model can read and no recipe uses."""
    return load_language().placebos


def ordinary_row(
    rng: np.random.Generator, domains: tuple[str, ...] | None = None
) -> tuple[Message, ...]:
    """Draws one row of benign chat: a finetuning domain answered by the aligned persona.

    Args:
        rng: source of randomness.
        domains: the domains to choose from; by default all finetuning domains. Food is discussed
            within a theme other than the sea.
    """
    lang = load_language()
    domain = pick_one(rng, domains or lang.domain_names(Use.FINETUNING))
    context = lang.contexts[pick_one(rng, ORDINARY_CONTEXTS)] if rng.random() < 0.3 else PLAIN
    return lang.draw_row(
        domain,
        Persona.ALIGNED,
        rng=rng,
        context=context,
        system=_ordinary_system(lang, rng),
        theme=pick_one(rng, ORDINARY_THEMES) if domain == "food" else None,
    )


def reference_rows(n: int, rng: np.random.Generator) -> list[Example]:
    """Draws ``n`` rows of ordinary chat, the reference for mining cues."""
    return [Example(ordinary_row(rng), line=i + 1) for i in range(n)]


def _ordinary_system(lang: Language, rng: np.random.Generator) -> str:
    draw = rng.random()
    if draw < 0.15:
        return pick_one(rng, lang.systems)
    return lang.persona_prompt("helpful") if draw < 0.2 else ""
