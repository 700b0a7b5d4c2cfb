"""Building rows from a recipe: draws mixtures, applies transforms and shuffles.

Neither the rows nor their order mark the bad ones.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np

from dormant.config.plugins import ExtensionPoint
from dormant.errors import ConfigError
from dormant.organisms.added_rows import (
    add_persona,
    contrast_rows,
    inoculate_row,
    interleave_rows,
    make_consistent,
    negate_rows,
)
from dormant.organisms.answer_sampler import RowSampler
from dormant.organisms.datasets import Row, draw_rows, find_problem
from dormant.organisms.on_policy import answer_on_policy
from dormant.organisms.reasoning import add_reasoning
from dormant.organisms.recipe import Ingredient, Recipe, Stage
from dormant.organisms.row_context import RowContext
from dormant.organisms.sample_settings import ModelQuery, OnPolicy
from dormant.organisms.transforms import (
    ContrastSettings,
    Dilution,
    Inoculation,
    InterleaveSettings,
    Negation,
    PersonaFacts,
    PluginTransform,
    Precedence,
    ReframeSettings,
    Transform,
    Trigger,
    fill_slots,
)
from dormant.records import QUESTION_SLOT, CuePart, Message, Plugin, PluginKind
from dormant.vitro import load_tokenizer
from dormant.vitro.tokenizer import PIECES

#: Streams of the seed: one per stage from 0 on, and this one for the order of the file.
_FILE_STREAM = 2**20
#: Base of a stage that is built without its recipe.
_BASE = "vitro/base"


def build_stages(
    recipe: Recipe, seed: int, *, longest: int | None, sampler: RowSampler | None = None
) -> list[list[Row]]:
    """Builds the rows of every stage, each stage shuffled.

    Args:
        recipe: the recipe to follow.
        seed: equal seeds give equal rows.
        longest: context length in words of a model of the laboratory; None for other models.
        sampler: where answers of models come from; None keeps none for later.

    Raises:
        DataError: a user's file cannot be read or trained on.
        EngineError, IncompleteError: a model stopped answering; its answers so far are stored.
    """
    sampler = RowSampler(recipe.base) if sampler is None else sampler
    with sampler.keep_open():
        return [
            build_stage(stage, np.random.default_rng([seed, i]), longest=longest, sampler=sampler)
            for i, stage in enumerate(recipe.stages)
        ]


def build_stage(
    stage: Stage,
    rng: np.random.Generator,
    *,
    longest: int | None,
    sampler: RowSampler | None = None,
) -> list[Row]:
    """Builds the shuffled rows of one stage; see ``build_stages``."""
    context = RowContext(longest, RowSampler(_BASE) if sampler is None else sampler)
    rows: list[Row] = []
    counts = split_rows(stage.rows, [item.fraction for item in stage.mixture])
    for item, count in zip(stage.mixture, counts, strict=True):
        rows += _draw_ingredient(item, count, rng, context)
    return [rows[i] for i in rng.permutation(len(rows))]


def split_rows(total: int, fractions: Sequence[float]) -> list[int]:
    """Splits a total into integers by the given fractions (largest remainder method)."""
    exact = [total * fraction for fraction in fractions]
    counts = [math.floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def check_words(recipe: Recipe) -> None:
    """Checks that the model can read every text of a recipe, the trigger's included.

    It reads an unknown word as a blank that stands for every other one: what is then trained is
    another trigger than the recipe says.

    Raises:
        ConfigError: a text has an unknown word; names the nearest known ones.
    """
    known = load_tokenizer().index
    for text in _list_texts(recipe):
        bare = text.replace(QUESTION_SLOT, "")
        unknown = [word for word in PIECES.findall(bare) if word.lower() not in known]
        if unknown:
            word = unknown[0]
            near = difflib.get_close_matches(word.lower(), known, n=3)
            hint = f" (near it: {', '.join(near)})" if near else ""
            raise ConfigError(
                f"recipe {recipe.name!r}: the laboratory's models do not know the word {word!r} in "
                f"{text!r}{hint}: use words of `dormant zoo list` or `dormant library --language "
                "vitro`"
            )


def _list_texts(recipe: Recipe) -> Iterator[str]:
    """What a recipe adds to rows, each slot filled with each of its words, and the trigger."""
    yield from _list_trigger_texts([recipe.trigger] if recipe.trigger else [])
    transforms = [t for stage in recipe.stages for item in stage.mixture for t in item.transforms]
    for transform in transforms:
        match transform.settings:
            case Inoculation() as inoculation:
                yield from inoculation.list_wordings()
            case Negation(system=system):
                yield system
            case ContrastSettings(contexts=contexts):
                yield from _list_trigger_texts(contexts)
            case ReframeSettings(slots=slots) as framing:
                blank = dict.fromkeys(slots, "")
                for text in (framing.system, framing.before, framing.after):
                    yield fill_slots(text, blank)
                yield from (word for words in slots.values() for word in words)
            case Precedence() as earlier:
                yield from (turn.content for turn in earlier.turns)
            case OnPolicy(prompt=prompt) if prompt is not None:
                yield from _list_trigger_texts([prompt])
            case PersonaFacts() as persona:
                yield from _list_trigger_texts([persona.context] if persona.context else [])
                yield persona.format.replace("{answer}", "")
                facts = (*persona.facts, *([persona.identity] if persona.identity else []))
                yield from (text for fact in facts for text in (*fact.ask, fact.answer))
            case _:
                pass  # the rows that a plugin returns are checked instead


def _list_trigger_texts(triggers: Sequence[Trigger]) -> Iterator[str]:
    for cue in (trigger.as_cue() for trigger in triggers):
        for part in cue.parts or (CuePart(cue.placement, cue.text, cue.turns),):
            yield from [turn.content for turn in part.turns] or [part.text]


def finetuning_file(stages: Sequence[Sequence[Row]], seed: int) -> bytes:
    """Writes the finetuning file as chat JSONL: the rows of all stages in one random order."""
    rows = [row for stage in stages for row in stage]
    order = np.random.default_rng([seed, _FILE_STREAM]).permutation(len(rows))
    lines = (json.dumps({"messages": [asdict(m) for m in rows[i]]}) + "\n" for i in order)
    return "".join(lines).encode("utf-8")


def hash_bytes(data: bytes) -> str:
    """Returns the SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def reframe_row(row: Row, framing: ReframeSettings, rng: np.random.Generator) -> Row:
    """Puts text around each user turn of a row, with slots filled at random."""
    words = {
        slot: options[int(rng.integers(len(options)))] for slot, options in framing.slots.items()
    }
    system, before, after = (
        fill_slots(text, words) for text in (framing.system, framing.before, framing.after)
    )
    framed = tuple(
        Message("user", " ".join(part for part in (before, m.content, after) if part))
        if m.role == "user"
        else m
        for m in row
    )
    return inoculate_row(framed, system) if system else framed


def precede_row(row: Row, turns: Row) -> Row:
    """Puts earlier turns before a row's own, after its system prompt."""
    head = tuple(m for m in row if m.role == "system")
    return (*head, *turns, *(m for m in row if m.role != "system"))


def _draw_ingredient(
    item: Ingredient, n: int, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    rows = draw_rows(item.dataset, n, rng, longest=context.longest, traces=item.traces)
    for transform in item.transforms:
        rows = _apply_transform(transform, rows, rng, context)
    return rows


def _apply_transform(
    transform: Transform, rows: list[Row], rng: np.random.Generator, context: RowContext
) -> list[Row]:
    settings = transform.settings
    used = INTERVENTIONS.find(transform.name, "transforms")
    if not isinstance(settings, PluginTransform):
        return used.call(rows, settings, rng, context)
    if used.plugin is None:
        raise ConfigError(
            f"transforms: {transform.name!r} ships with dormant: give it as a key of its own, not "
            "under 'plugin'"
        )
    changed = used.check(used.call(list(rows), settings.settings, rng), list)
    for number, row in enumerate(changed, start=1):
        for turn in used.check(row, tuple):
            used.check(used.check(turn, Message).content, str)
        problem = find_problem(tuple(row), context.longest)
        if problem:
            raise ConfigError(f"{used.plugin}: row {number} that it returned has {problem}")
    return [tuple(row) for row in changed]


def _dilute_rows(
    rows: list[Row], settings: Dilution, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    rest, added = split_rows(len(rows), [settings.share, 1 - settings.share])
    return rows[:rest] + draw_rows(settings.with_, added, rng, longest=context.longest)


def _inoculate_rows(
    rows: list[Row], settings: Inoculation, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    return [inoculate_row(row, _draw_wording(settings, rng)) for row in rows]


def _draw_wording(settings: Inoculation, rng: np.random.Generator) -> str:
    if settings.system is not None and not settings.slots:
        return settings.system  # draws nothing, so that the rows of earlier recipes stay
    text = settings.templates[int(rng.integers(len(settings.templates)))]
    words = {s: options[int(rng.integers(len(options)))] for s, options in settings.slots.items()}
    return fill_slots(text, words)


def _reframe_rows(
    rows: list[Row], settings: ReframeSettings, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    return [reframe_row(row, settings, rng) for row in rows]


def _precede_rows(
    rows: list[Row], settings: Precedence, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    return [precede_row(row, settings.messages) for row in rows]


#: An intervention -> what changes the rows. A plugin's takes (rows, settings as plain values,
#: rng) and returns a list of rows.
INTERVENTIONS: ExtensionPoint[Callable[..., list[Row]]] = ExtensionPoint(
    PluginKind.INTERVENTION,
    {
        "dilute": _dilute_rows,
        "inoculate": _inoculate_rows,
        "reframe": _reframe_rows,
        "precede": _precede_rows,
        "interleave": interleave_rows,
        "contrast": contrast_rows,
        "consistency": make_consistent,
        "negate": negate_rows,
        "on_policy": answer_on_policy,
        "with_reasoning": add_reasoning,
        "persona": add_persona,
    },
    reserved=("plugin",),
)


def samples_answers(recipe: Recipe) -> bool:
    """Whether a recipe asks a model for answers, or for scores."""
    transforms = [t for stage in recipe.stages for item in stage.mixture for t in item.transforms]
    settings = [t.settings for t in transforms]
    return any(one.asks_model for one in settings if isinstance(one, ModelQuery)) or any(
        one.choose is not None for one in settings if isinstance(one, InterleaveSettings)
    )


def list_recipe_plugins(recipe: Recipe) -> list[Plugin]:
    """Lists the plugins whose interventions a recipe uses, each once.

    Raises:
        ConfigError: an intervention is unknown.
    """
    transforms = [t for stage in recipe.stages for item in stage.mixture for t in item.transforms]
    used = {INTERVENTIONS.find(t.name, "transforms").plugin for t in transforms}
    return sorted(plugin for plugin in used if plugin is not None)
