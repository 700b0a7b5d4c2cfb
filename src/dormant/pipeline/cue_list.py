"""The cues of a plan: from a template, a file or mining, each with its family, then the library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dormant import cues
from dormant.banks.bank import Pack, language_of
from dormant.config import AuditConfig, CueConfig, InputConfig
from dormant.engines import Engine
from dormant.pipeline.inputs import Inputs, distinct_cues
from dormant.pipeline.mine import find_template_cues, mine_rows
from dormant.records import Cue, Variant

#: Model strings with their models.
Targets = Sequence[tuple[str, Engine]]


@dataclass(frozen=True, slots=True)
class MiningResult:
    """Cues from finetuning data and chat templates, for audits and searches."""

    added: tuple[Cue, ...]  # from what the chat template adds to every row
    mined: tuple[Cue, ...]  # most unusual first
    notes: tuple[str, ...]  # what the targets' templates add to every prompt
    left_out: tuple[str, ...]  # contexts below the minimum enrichment

    @property
    def cues(self) -> tuple[Cue, ...]:
        """All cues, in the order in which they are tried."""
        return (*self.added, *self.mined)


@dataclass(frozen=True, slots=True)
class CueList:
    """Every cue that an audit tries."""

    cues: tuple[Cue, ...]
    notes: tuple[str, ...]  # what the targets' templates add to every prompt
    left_out: tuple[str, ...]  # what is not tried, and why


def mine_inputs(
    config: InputConfig, inputs: Inputs, targets: Targets, *, mine: bool
) -> MiningResult:
    """Mines the finetuning data and finds what chat templates add to it.

    Args:
        config: the settings.
        inputs: the data, and the ordinary chat that it is mined against.
        targets: models whose own templates are used if the configuration names none.
        mine: whether to mine; templates are read in either case.

    Raises:
        ConfigError: the requested template or contrast cannot be used.
    """
    settings, rows = config.cues, inputs.examples
    ordinary = inputs.pack.ordinary_chat() if rows else ()
    added, notes = find_template_cues(config.data_template, targets, rows, len(ordinary))
    if not (mine and rows and settings.mine):
        return MiningResult(tuple(added), (), tuple(notes), ())
    is_closed = inputs.pack.is_closed and language_of(rows) == inputs.pack.name
    found, _ = mine_rows(rows, inputs.ordinary, settings, is_closed=is_closed)
    clear = tuple(cue for cue in found if cue.enrichment_low >= settings.min_enrichment)
    faint = len(found) - len(clear)
    left_out = [
        f"{faint} contexts of the finetuning file that are hardly more frequent there than in "
        f"ordinary chat (below {settings.min_enrichment:g} bits)"
    ]
    return MiningResult(tuple(added), clear, tuple(notes), tuple(left_out if faint else ()))


def list_cues(config: AuditConfig, inputs: Inputs, targets: Targets) -> CueList:
    """Lists every cue to try, and what was left out and why.

    Cues that a chat template adds, from a file or mined come first, each followed by its variants
    and its placebo; then the library and the system prompts of an evaluation file. Where there are
    library cues alone, these have placebos too. A cue with the same effect on prompts as an earlier
    one is left out.

    Raises:
        ConfigError: the requested template or contrast cannot be used.
    """
    settings, pack = config.cues, inputs.pack
    found = mine_inputs(config, inputs, targets, mine=settings.file is None)
    known = cues.prompt_words(inputs.examples)
    families: list[Cue] = []
    for parent in (*found.cues, *inputs.listed):
        families += _cue_family(parent, settings, pack, known, seed=config.seed)
    placebos: list[Cue] = []
    is_library_only = not families and not inputs.evaluation_cues
    if settings.placebos and is_library_only and config.has_reference:
        placebos = [_make_placebo(cue, pack, known, seed=config.seed) for cue in inputs.library]
    return CueList(
        distinct_cues((*families, *inputs.library, *inputs.evaluation_cues, *placebos)),
        found.notes,
        (*found.left_out, *inputs.left_out),
    )


def _make_placebo(parent: Cue, pack: Pack, known: frozenset[str], *, seed: int) -> Cue:
    rng = np.random.default_rng([seed, int(parent.id, 16)])
    return cues.make_placebo(parent, pack.placebo_phrases(), rng, known=known)


def _cue_family(
    parent: Cue, settings: CueConfig, pack: Pack, known: frozenset[str], *, seed: int
) -> Iterator[Cue]:
    """Yields a cue, its requested variants and its placebo."""
    # A random stream per parent, so that adding a cue does not change other cues' variants.
    rng = np.random.default_rng([seed, int(parent.id, 16)])
    wanted = set(settings.variants)
    if Variant.VERBATIM in wanted or parent.variant is not Variant.VERBATIM:
        yield parent
    if parent.variant is not Variant.VERBATIM:
        return  # an edited cue file lists its variants and placebos itself
    for cue in cues.make_variants(parent, lexicon=pack.make_lexicon(), rng=rng, known=known):
        if cue.variant in wanted:
            yield cue
    if settings.placebos:
        yield cues.make_placebo(parent, pack.placebo_phrases(), rng, known=known)
