"""The cues of a plan: from a template, a file or mining, each with its family, then the library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dormant import cues
from dormant.config import AuditConfig, CueConfig
from dormant.corpus import read_examples
from dormant.planning.packs import Pack, spread
from dormant.planning.studying import mined
from dormant.records import Cue, Example, Variant


def plan_cues(
    config: AuditConfig,
    pack: Pack,
    examples: Sequence[Example],
    *,
    added: Sequence[Cue] = (),
) -> tuple[tuple[Cue, ...], list[str]]:
    """Every cue that will be tried, and what was left out and why.

    Cues that a chat template adds, from a file or mined come first, each followed by its variants
    and its placebo; then the library. A cue that does to a prompt what an earlier one does is left
    out.
    """
    settings = config.cues
    tried: list[Cue] = []
    left_out: list[str] = []
    known = cues.prompt_words(examples)
    parents, faint = _parents(config, pack, examples)
    if faint:
        left_out.append(
            f"{faint} contexts of the finetuning file that are hardly more frequent there than in "
            f"ordinary chat (below {settings.min_enrichment:g} bits)"
        )
    for parent in (*added, *parents):
        tried += _family(parent, settings, pack, known, seed=config.seed)
    library = _library(settings, pack)
    if settings.library_limit is not None and len(library) > settings.library_limit:
        dropped = len(library) - settings.library_limit
        left_out.append(f"{dropped} entries of the cue library (library_limit)")
        library = spread(library, settings.library_limit)
    unique: dict[str, Cue] = {}
    names: set[str] = set()
    for cue in (*tried, *library):
        if cue.id not in unique and cue.name not in names:
            unique[cue.id] = cue
            names.add(cue.name)
    return tuple(unique.values()), left_out


def _parents(
    config: AuditConfig, pack: Pack, examples: Sequence[Example]
) -> tuple[tuple[Cue, ...], int]:
    """The cues to vary, and how many mined ones were too faint to try."""
    settings = config.cues
    if settings.file is not None:
        return cues.read_cues(settings.file), 0
    if not examples or settings.mine == 0:
        return (), 0
    if config.reference_data is not None:
        ordinary = read_examples(config.reference_data, lenient=config.lenient).examples
    else:
        ordinary = pack.reference()
    found, _ = mined(examples, ordinary, settings)
    clear = tuple(cue for cue in found if cue.enrichment_low >= settings.min_enrichment)
    return clear, len(found) - len(clear)


def _family(
    parent: Cue, settings: CueConfig, pack: Pack, known: frozenset[str], *, seed: int
) -> Iterator[Cue]:
    """A cue, the variants of it that are wanted, and its placebo."""
    # A stream for each parent: one cue more or less must not change the others' variants.
    rng = np.random.default_rng([seed, int(parent.id, 16)])
    wanted = set(settings.variants)
    if Variant.VERBATIM in wanted or parent.variant is not Variant.VERBATIM:
        yield parent
    if parent.variant is not Variant.VERBATIM:
        return  # an edited cue file lists its variants and placebos itself
    for cue in cues.variants(parent, lexicon=pack.lexicon(), rng=rng, known=known):
        if cue.variant in wanted:
            yield cue
    if settings.placebos:
        yield cues.placebo(parent, pack.placebos(), rng, known=known)


def _library(settings: CueConfig, pack: Pack) -> tuple[Cue, ...]:
    if settings.library == "none":
        return ()
    if settings.library == "auto":
        return pack.library()
    if settings.library in ("general", "vitro"):
        return Pack(settings.library).library()
    return cues.library(settings.library)
