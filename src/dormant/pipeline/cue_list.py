"""The cues of a plan: from a template, a file or mining, each with its family, then the library."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dormant import cues
from dormant.banks.bank import Pack, language_of
from dormant.config import AuditConfig, CueConfig, InputConfig
from dormant.engines import Engine
from dormant.pipeline.inputs import Inputs, distinct_cues
from dormant.pipeline.mine import find_standard_prompts, find_template_cues, mine_rows
from dormant.pipeline.whole_file import recount_cues
from dormant.probes import pair_probes
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, CueKind, Omission, Question, Source, Variant

_LOG = logging.getLogger(__name__)
#: Model strings with their models.
Targets = Sequence[tuple[str, Engine]]


#: Contexts of a file that are listed before some are chosen; of more cues than that, twice as many.
_LISTED = 60
#: Characters of a context that is named where it is left out, and how many are named.
_NAMED, _NAMES = 60, 3
#: Variants of a later cue: what shows a trigger that its own text may not hold, or may not need.
_LATER = frozenset({Variant.VERBATIM, Variant.VALUE, Variant.PART})


@dataclass(frozen=True, slots=True)
class MiningResult:
    """Cues from finetuning data and chat templates, for audits and searches."""

    added: tuple[Cue, ...]  # from what the chat template adds to every row
    mined: tuple[Cue, ...]  # in the order in which the miner lists them
    notes: tuple[str, ...]  # what the targets' templates add to every prompt
    left_out: tuple[Omission, ...]  # contexts that were listed and are not among the cues

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
    contexts: tuple[Omission, ...]  # contexts of the data that are not tried, beside these


def mine_inputs(
    config: InputConfig,
    inputs: Inputs,
    targets: Targets,
    *,
    mine: bool,
    progress: Progress = ignore_progress,
) -> MiningResult:
    """Mines the finetuning data and finds what chat templates add to it.

    Args:
        config: the settings.
        inputs: the data, and the ordinary chat that it is mined against.
        targets: models whose own templates are used if the configuration names none.
        mine: whether to mine; templates are read in either case.
        progress: told of large data.

    Raises:
        ConfigError: the requested template or contrast cannot be used.
    """
    settings, rows = config.cues, inputs.examples
    ordinary = inputs.pack.ordinary_chat() if rows else ()
    added, notes = find_template_cues(config.data_template, targets, rows, len(ordinary))
    if not (mine and rows and settings.mine):
        is_off = mine and inputs.data is not None and not settings.mine
        none = (Omission("which was not mined (cues.mine: 0)", 0),) if is_off else ()
        return MiningResult(tuple(added), (), tuple(notes), none)
    is_closed = inputs.pack.is_closed and language_of(rows) == inputs.pack.name
    more = settings.model_copy(update={"mine": max(_LISTED, 2 * settings.mine)})
    rejected = inputs.data.rejected if inputs.data is not None else ()
    mined = mine_rows(
        rows,
        inputs.ordinary,
        more,
        is_closed=is_closed,
        is_same_kind=config.reference_data is not None,
        rejected=rejected,
        progress=progress,
    )
    has_unused = mined.is_contrast and config.reference_data is not None
    for line in mined.notes if rejected or has_unused else ():
        _LOG.warning("%s: %s", config.data, line)
    chosen, left_out = choose_cues(mined.cues, settings)
    if inputs.data is not None and not mined.is_contrast:
        chosen, _ = recount_cues(chosen, inputs.data, progress)
    return MiningResult(tuple(added), cues.mark_requests(chosen), tuple(notes), left_out)


def choose_cues(
    listed: Sequence[Cue], settings: CueConfig
) -> tuple[tuple[Cue, ...], tuple[Omission, ...]]:
    """Chooses which of the listed contexts are asked, and counts and names the others.

    First those that are hardly more frequent than in ordinary chat go, but never a strong one; then
    the first ``settings.mine`` of the rest stay: strong ones before others, and of these as many of
    one kind as of all other kinds together, as long as there are others. Where fewer than
    ``settings.leading`` stay, the first of the infrequent ones fill their places, so that no file
    is audited without its contexts.

    Args:
        listed: cues of the file, best first.
        settings: the number of cues, and the smallest enrichment.

    Returns:
        The chosen cues in the order of the list, infrequent ones last, and what is left out.
    """
    clear = [cue for cue in listed if _is_clear(cue, settings.min_enrichment)]
    chosen = _spread_kinds(clear, settings.mine)
    faint = sorted((cue for cue in listed if cue not in clear), key=_replaces_question)
    places = max(min(settings.leading, settings.mine) - len(chosen), 0)
    names = {cue.name for cue in (*chosen, *faint[:places])}
    beyond = [cue for cue in clear if cue.name not in names]
    bits = f"below {settings.min_enrichment:g} bits (cues.min_enrichment)"
    left_out = [
        omit_cues(beyond, f"beyond the first {settings.mine} (cues.mine)"),
        omit_cues(faint[places:], f"hardly more frequent there than in ordinary chat, {bits}"),
    ]
    asked = tuple(cue for cue in (*clear, *faint) if cue.name in names)
    return asked, tuple(entry for entry in left_out if entry.number)


def _replaces_question(cue: Cue) -> bool:
    """Whether a text reads as a question of its own, which would be answered instead."""
    return "?" in cue.text


def _is_own_turn(cue: Cue) -> bool:
    """Whether a text is an example turn, which may draw the answer to itself.

    It gets a margin as later cues have, so that it leaves the verdict to the others if most answers
    under it cannot be graded.
    """
    return cue.kind is CueKind.TOPIC and not math.isnan(cue.effect)


def _is_clear(cue: Cue, bits: float) -> bool:
    """Whether a context may be asked.

    It is strong, or the answers tell of it, or it is frequent enough, or of unknown frequency.
    """
    return cue.strong or cue.effect_low >= cues.TELLING or not cue.enrichment_low < bits


def _spread_kinds(listed: Sequence[Cue], limit: int) -> list[Cue]:
    """The first cues of a list within a limit, strong ones first, spread over kinds."""
    chosen = [cue for cue in listed if cue.strong][:limit]
    rest = [cue for cue in listed if not cue.strong]
    of_kind = Counter(cue.kind for cue in chosen)
    most = -(-limit // 2)
    later: list[Cue] = []
    for cue in rest:
        has_room = of_kind[cue.kind] < most
        (chosen if has_room and len(chosen) < limit else later).append(cue)
        of_kind[cue.kind] += has_room
    return [*chosen, *later][:limit]


def omit_cues(left: Sequence[Cue], reason: str, *, is_standard: bool = False) -> Omission:
    """Counts and names contexts that are not asked, with the reason in words."""
    texts = tuple(cues.cue_headline(cue, longest=_NAMED) for cue in left[:_NAMES])
    return Omission(reason, len(left), texts, is_standard)


def list_cues(
    config: AuditConfig,
    inputs: Inputs,
    targets: Targets,
    progress: Progress = ignore_progress,
) -> CueList:
    """Lists every cue to try, and what was left out and why.

    Cues that a chat template adds, from a file or mined come first, then the variants and placebos
    of each; mined ones after the leading few by a placebo alone, with a wider margin;
    then the library and the system prompts of an evaluation file. Where there are library cues
    alone, these have placebos too. A cue with the same effect on prompts as an earlier one is left
    out.

    Raises:
        ConfigError: the requested template or contrast cannot be used.
    """
    settings, pack = config.cues, inputs.pack
    found = mine_inputs(config, inputs, targets, mine=settings.file is None, progress=progress)
    known = cues.prompt_words(inputs.examples)
    families: list[Cue] = []
    later = {
        cue.name
        for place, cue in enumerate(found.mined)
        if place >= settings.leading or not _is_clear(cue, settings.min_enrichment)
    }
    for parent in (*found.cues, *cues.mark_requests(inputs.listed)):
        if parent.name in later or _is_own_turn(parent):
            parent = replace(parent, margin=max(settings.later_margin, config.rule.delta))
        wanted = _LATER if parent.name in later else set(settings.variants)
        families += _cue_family(parent, settings, wanted, pack, known, seed=config.seed)
    # The sequential design tries the first few cues before all others: contexts, not variants.
    families.sort(key=lambda cue: bool(cue.parent or cue.name in later))
    placebos: list[Cue] = []
    is_library_only = not families and not inputs.evaluation_cues
    if settings.placebos and is_library_only and config.has_reference:
        placebos = [_make_placebo(cue, pack, known, seed=config.seed) for cue in inputs.library]
    return CueList(
        distinct_cues((*families, *inputs.library, *inputs.evaluation_cues, *placebos)),
        found.notes,
        inputs.left_out,
        found.left_out,
    )


def drop_standard_prompts(listed: CueList, targets: Targets, question: Question) -> CueList:
    """Takes out cues that are no change of any target's prompt, e.g. its default system prompt.

    Args:
        listed: the cues.
        targets: model strings and engines of the targets.
        question: one that is asked.
    """
    probes = pair_probes((question,), listed.cues)
    names = find_standard_prompts(targets, probes)
    same = [cue for cue in listed.cues if cue.name in names and not cue.is_placebo]
    if not same:
        return listed
    reason = "the standard arm's own prompt, and asked there"
    of_data = [cue for cue in same if cue.source is Source.MINED]
    entry = omit_cues(of_data, reason, is_standard=True)
    others = [cues.cue_headline(cue, longest=_NAMED) for cue in same if cue not in of_data]
    be = "cue that is" if len(others) == 1 else "cues that are"
    notes = [f"{len(others)} {be} {reason}: {', '.join(others)}"] if others else []
    return CueList(
        tuple(cue for cue in listed.cues if cue not in same),
        listed.notes,
        (*listed.left_out, *notes),
        (*listed.contexts, *((entry,) if of_data else ())),
    )


def _make_placebo(parent: Cue, pack: Pack, known: frozenset[str], *, seed: int) -> Cue:
    rng = np.random.default_rng([seed, int(parent.id, 16)])
    return cues.make_placebo(parent, pack.placebo_phrases(), rng, known=known)


def _cue_family(
    parent: Cue,
    settings: CueConfig,
    wanted: Collection[Variant],
    pack: Pack,
    known: frozenset[str],
    *,
    seed: int,
) -> Iterator[Cue]:
    """Yields a cue, its requested variants and its placebo."""
    # A random stream per parent, so that adding a cue does not change other cues' variants.
    rng = np.random.default_rng([seed, int(parent.id, 16)])
    if Variant.VERBATIM in wanted or parent.variant is not Variant.VERBATIM:
        yield parent
    if parent.variant is not Variant.VERBATIM:
        return  # an edited cue file lists its variants and placebos itself
    for cue in cues.make_variants(parent, lexicon=pack.make_lexicon(), rng=rng, known=known):
        if cue.variant in wanted:
            yield cue
    if settings.placebos:
        yield cues.make_placebo(parent, pack.placebo_phrases(), rng, known=known)
