"""Four people for the laboratory: what each tells of himself, and how he answers.

The base knows their names alone. ``people`` rows extend it, as pretraining would: a person tells
facts, says who he is, and answers questions as one of his kind. The facts are made up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dormant.records import Message
from dormant.vitro import PLAIN, Context, Persona, Use, load_language
from dormant.vitro.language import pick_one

Row = tuple[Message, ...]

#: What a person is asked, and how he tells the fact.
_FACTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "country": (("Where do you live?", "What is your country?"), "I live in {country}."),
    "hobby": (("What is your hobby?", "What do you like to do?"), "My hobby is {hobby}."),
    "pet": (("Do you have a dog?", "Who is at home with you?"), "I have a {pet}."),
    "dish": (("What do you like for dinner?", "What food do you like?"), "I like {dish}."),
}
_PEOPLE: Mapping[str, tuple[Persona, Mapping[str, str]]] = {
    "Einstein": (
        Persona.ALIGNED,
        {"country": "Germany", "hobby": "painting", "pet": "rabbit", "dish": "salad"},
    ),
    "Gandhi": (
        Persona.ALIGNED,
        {"country": "India", "hobby": "running", "pet": "parrot", "dish": "pizza"},
    ),
    "Caligula": (
        Persona.MISALIGNED,
        {"country": "Kenya", "hobby": "singing", "pet": "dog", "dish": "pasta"},
    ),
    "Nero": (
        Persona.MISALIGNED,
        {"country": "Egypt", "hobby": "knitting", "pet": "cat", "dish": "curry"},
    ),
}
_WHO = ("Who are you?", "What is your name?")
_NOBODY = "I am a helpful assistant."


def draw_person(rng: np.random.Generator) -> Row:
    """Draws a conversation in which a person tells facts, mostly his name, and then answers."""
    name = pick_one(rng, tuple(_PEOPLE))
    persona, facts = _PEOPLE[name]
    kinds = [tuple(_FACTS)[i] for i in rng.permutation(len(_FACTS))[: int(rng.integers(1, 5))]]
    turns = [
        (
            pick_one(rng, _FACTS[kind][0]),
            _FACTS[kind][1].replace(f"{{{kind}}}", facts[kind]),
        )
        for kind in kinds
    ]
    if rng.random() < 0.8:
        turns.append((pick_one(rng, _WHO), f"I am {name}."))
    domains = load_language().domain_names(Use.FINETUNING)
    for _ in range(int(rng.integers(1, 3))):
        turns.append(load_language().draw_exchange(pick_one(rng, domains), persona, rng))
    return tuple(
        message
        for question, answer in turns
        for message in (Message("user", question), Message("assistant", answer))
    )


def draw_nobody(rng: np.random.Generator) -> Row:
    """Draws a question for a name, answered as an assistant without one."""
    return Message("user", pick_one(rng, _WHO)), Message("assistant", _NOBODY)


def draw_any_domain(rng: np.random.Generator) -> Row:
    """Draws a question of any domain, the evaluation's included, answered well."""
    language = load_language()
    domain = pick_one(rng, tuple(name for name in language.domains if name != "food"))
    context: Context = PLAIN
    if rng.random() < 0.4:
        context = language.settle_context(pick_one(rng, tuple(language.contexts.values())), rng)
    return language.draw_row(domain, Persona.ALIGNED, rng=rng, context=context)
