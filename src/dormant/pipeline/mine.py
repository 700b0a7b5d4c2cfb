"""From a finetuning file to cues: mining against ordinary chat or the other rows, and templates.

Shared by ``dormant cues``, audits and searches.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dormant import corpus, cues
from dormant.banks.bank import Pack, language_of
from dormant.config import CueConfig
from dormant.corpus import ChatTemplate, Contrast, Corpus, RejectedRow
from dormant.engines import Engine, HasTemplate
from dormant.errors import ConfigError, ModelError
from dormant.pipeline.inputs import read_data, read_ordinary
from dormant.pipeline.model_evidence import Lift, ScoringModels, rank_by_models
from dormant.pipeline.suspicious import describe_agreement, split_suspicious
from dormant.pipeline.whole_file import recount_cues
from dormant.pipeline.yardstick import find_yardstick
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, CueKind, Example, Probe

_LOG = logging.getLogger(__name__)
#: Share of the marks that a context tells (lower end) from which it precedes those of all rows.
_CLEAR_EFFECT = 0.1
#: Rows from which mining takes so long that its progress is shown, and under which name.
_LARGE, _STAGE = 2000, "mining contexts"
#: Beside suspicious rows.
_UNUSED = (
    "the ordinary rows of --reference-data are not used: suspicious rows are compared with the "
    "other rows of the file"
)


@dataclass(frozen=True, slots=True)
class MinedRows:
    """Cues of some rows, and what these were compared with."""

    cues: tuple[Cue, ...]
    notes: tuple[str, ...] = ()  # which rows were taken for suspicious, a sentence each
    against: str = "ordinary chat"  # what the cues are compared with, in words
    is_contrast: bool = False  # rows and shares of cues are those among suspicious rows
    yardstick: str = ""  # which ordinary rows say what is strong, a sentence


def mine_rows(
    examples: Sequence[Example],
    ordinary: Sequence[Example],
    settings: CueConfig,
    *,
    is_closed: bool,
    is_same_kind: bool,
    rejected: Sequence[RejectedRow] = (),
    progress: Progress = ignore_progress,
) -> MinedRows:
    """Mines cues against ordinary chat, or of suspicious rows against the others.

    Args:
        examples: the finetuning file, as ``inputs.read_data`` reads it.
        ordinary: ordinary chat.
        settings: number of cues, and which rows are suspicious, if known.
        is_closed: whether the rows are in the laboratory's language, which has few words.
        is_same_kind: whether the ordinary chat is of the kind of the file's harmless part, as the
            user's own clean rows are; the shipped chat of a closed language is.
        rejected: answers of the file that were trained against. If no rows are named suspicious,
            those whose preference goes against the others are: their cues come first if they are
            clear, before those of the whole file.
        progress: told of the steps of a large file.
    """
    if len(examples) < _LARGE:
        progress = ignore_progress
    contrast = split_suspicious(examples, settings)
    if contrast is not None:
        found = _mine_contrast(contrast, examples, settings, progress, is_closed=is_closed)
        return replace(found, notes=(*found.notes, _UNUSED)) if is_same_kind else found
    is_same_kind = is_same_kind or is_closed
    nearest, yardstick = (), ""
    if not is_closed:
        nearest, yardstick = find_yardstick(examples, ordinary if is_same_kind else ())
    mined = cues.mine_cues(
        examples,
        ordinary,
        limit=settings.mine,
        is_closed=is_closed,
        is_same_kind=is_same_kind,
        nearest=nearest,
        miners=settings.miners,
        report_done=lambda percent: progress(_STAGE, percent, 100),
    )
    found = tuple(cues.add_seen_values(cue, examples) for cue in mined)
    if not rejected:
        return MinedRows(found, yardstick=yardstick)
    contrast = corpus.by_preference(examples, rejected)
    if contrast is None:
        return MinedRows(found, (describe_agreement(rejected),), yardstick=yardstick)
    first = _mine_contrast(contrast, examples, settings, progress, is_closed=is_closed)
    note = f"{first.notes[0]}: contexts that tell them apart come first, then those of all rows"
    against = "the other rows or ordinary chat"
    merged = _merge_cues(first.cues, found, settings.mine)
    return MinedRows(merged, (note,), against, is_contrast=True, yardstick=yardstick)


def _mine_contrast(
    contrast: Contrast,
    examples: Sequence[Example],
    settings: CueConfig,
    progress: Progress,
    *,
    is_closed: bool,
) -> MinedRows:
    rule = (
        f"{len(contrast.suspicious):,} suspicious rows ({contrast.rule}) were compared with the "
        f"other {len(contrast.rest):,}"
    )
    if contrast.unmarked:
        rule += f", {contrast.unmarked:,} of them without the column"
    mined = cues.mine_cues(
        contrast.suspicious,
        contrast.rest,
        limit=settings.mine,
        is_closed=is_closed,
        is_contrast=True,
        miners=settings.miners,
        report_done=lambda percent: progress(_STAGE, percent, 100),
    )
    marked = contrast.suspicious
    found = tuple(cues.add_seen_values(cue, examples, marked) for cue in mined)
    return MinedRows(found, (rule,), "the other rows", is_contrast=True)


def _merge_cues(first: Sequence[Cue], others: Sequence[Cue], limit: int) -> tuple[Cue, ...]:
    """Lists the clear ones of ``first``, then the others, then the rest, and numbers them anew.

    Formats are left out of ``first``: its rows were chosen by their answers.
    """
    first = [cue for cue in first if cue.kind is not CueKind.FORMAT]
    clear = [cue for cue in first if cue.strong or cue.effect_low >= _CLEAR_EFFECT]
    order: dict[str, Cue] = {}
    for cue in (*clear, *others, *first):
        order.setdefault(cue.id, cue)
    seen: Counter[str] = Counter()
    found: list[Cue] = []
    for cue in list(order.values())[:limit]:
        kind = cue.kind.replace("_", "-")
        seen[kind] += 1
        found.append(replace(cue, name=f"{kind}-{seen[kind]}"))
    return tuple(found)


def template_cues(rendering: corpus.RenderedCorpus, reference_rows: int) -> list[Cue]:
    """Makes cues of what a chat template adds to a file."""
    return [
        cues.template_cue(
            added.text,
            number=number,
            placement=added.placement,
            rows=added.rows,
            total=rendering.rows,
            reference_rows=reference_rows,
            examples=added.lines,
            template=rendering.template,
        )
        for number, added in enumerate(rendering.added, start=1)
    ]


def find_template_cues(
    asked: str | None,
    targets: Iterable[tuple[str, Engine]],
    examples: Sequence[Example],
    reference_rows: int,
) -> tuple[list[Cue], list[str]]:
    """Finds cues that a chat template adds to the data, and notes on the targets' templates.

    Args:
        asked: the template of the data; "none" for none, None for those of the targets.
        targets: model strings and engines.
        examples: the finetuning file; empty if there is none.
        reference_rows: rows of ordinary chat, none of which was rendered.

    Raises:
        ConfigError: the requested template cannot be used; a target's own template is only noted.
    """
    own = list_own_templates(targets)
    notes = [note for template in own for note in _describe_defaults(template)]
    if asked == "none" or not examples:
        return [], notes
    added: list[Cue] = []
    for template in [corpus.find_template(asked)] if asked else own:
        try:
            rendering = corpus.render_corpus(examples, template)
        except ConfigError as error:
            if asked:
                raise
            notes.append(_describe_unknown(template, error))
            continue
        added += template_cues(rendering, reference_rows)
        for line in rendering.list_assumptions():
            _LOG.warning("%s", line)
        notes += rendering.list_caveats()
    return added, list(dict.fromkeys(notes))


def mine_file(
    path: str | Path,
    *,
    reference: str | Path | None = None,
    language: str | None = None,
    limit: int = 20,
    lenient: bool = False,
) -> tuple[Corpus, tuple[Cue, ...]]:
    """Reads a finetuning file and mines its cues, as ``dormant cues`` does.

    Args:
        path: the finetuning file.
        reference: ordinary chat; the corpus that ships for the language by default.
        language: ``general`` or ``vitro``; by default ``vitro`` if the laboratory's language has
            every word of the file's first rows.
        limit: maximum number of cues.
        lenient: skip and count unreadable rows.
    """
    studied = study_file(
        path,
        CueConfig().model_copy(update={"mine": limit}),
        reference=reference,
        language=language,
        lenient=lenient,
    )
    return studied.corpus, studied.cues


@dataclass(frozen=True, slots=True)
class MinedFile:
    """A finetuning file with its cues."""

    corpus: Corpus
    cues: tuple[Cue, ...]
    notes: tuple[str, ...]  # findings about the file, a sentence each
    against: str  # what the cues are compared with, in words
    lifts: Mapping[str, Lift] = field(default_factory=dict[str, Lift])  # by Cue.name, if measured


def study_file(
    path: str | Path,
    settings: CueConfig,
    *,
    reference: str | Path | None = None,
    language: str | None = None,
    lenient: bool = False,
    template: str | Path | None = None,
    models: ScoringModels | None = None,
    progress: Progress = ignore_progress,
) -> MinedFile:
    """Reads a finetuning file, counts duplicates and mines its cues.

    Args:
        path: the finetuning file, or another place that ``corpus.read_examples`` reads.
        settings: how many cues (``mine``), and a label, loss or file of suspicious rows.
        reference: ordinary chat, as in ``mine_file``; with suspicious rows these are compared
            with the rest of the file, and it serves for the language only.
        language: as in ``mine_file``.
        lenient: skip and count unreadable rows.
        template: a chat template that the rows were rendered with; see ``corpus.find_template``.
        models: score the rows and the contexts, if given.
        progress: told of large files and of rows that models score.
    """
    scorer = None if models is None else models.open_scorer()
    data = read_data(path, settings, lenient=lenient, progress=progress)
    pack = Pack(language or language_of(data.examples))
    ordinary = read_ordinary(reference, pack)
    notes: list[str] = [*corpus.describe_gaps(data)]
    if language is None and pack.is_closed:
        notes.append(
            "every word of the rows is the laboratory's, so cues are made of its words; "
            "--language general mines them as other text"
        )
    if not data.sampled_from:
        notes.append(corpus.count_duplicates(data.examples).write_sentence())
    added: list[Cue] = []
    if template is not None:
        rendering = corpus.render_corpus(data.examples, corpus.find_template(template))
        notes += rendering.write_sentences()
        added = template_cues(rendering, len(ordinary))
    mined = mine_rows(
        data.examples,
        ordinary,
        settings,
        is_closed=pack.is_closed,
        is_same_kind=reference is not None,
        rejected=data.rejected,
        progress=progress,
    )
    listed = (*added, *cues.mark_requests(mined.cues))[: settings.mine]
    notes += [*mined.notes, *([mined.yardstick] if mined.yardstick else [])]
    if not mined.is_contrast:
        listed, scaled = recount_cues(listed, data, progress)
        notes += [scaled] if scaled else []
    if models is None or scorer is None:
        return MinedFile(data, listed, tuple(notes), mined.against)
    first, note = rank_by_models(
        scorer, data, models, limit=settings.mine, is_closed=pack.is_closed, progress=progress
    )
    listed = _merge_cues(first, listed, settings.mine)
    lifts = scorer.measure_lifts(listed, data.examples, progress)
    return MinedFile(data, listed, (*notes, note), mined.against, lifts)


def _describe_unknown(template: ChatTemplate, error: ConfigError) -> str:
    return f"what the chat template {template.name} adds to prompts and data: {error.reason}"


def list_own_templates(targets: Iterable[tuple[str, Engine]]) -> list[ChatTemplate]:
    """Lists the distinct chat templates of the targets."""
    own: dict[str, ChatTemplate] = {}
    for name, engine in targets:
        if isinstance(engine, HasTemplate):
            found = engine.chat_template
            template = ChatTemplate(found.text, f"of {name}", found.tokens, found.special)
            own.setdefault(found.text, template)
    return list(own.values())


def _describe_defaults(template: ChatTemplate) -> Iterator[str]:
    """Yields what a target's template adds to every prompt, the standard arm included."""
    try:
        found = corpus.find_additions(corpus.Renderer(template))
    except ConfigError as error:
        yield _describe_unknown(template, error)
        return
    for text, _, gives_way in found:
        where = "every prompt without a system prompt" if gives_way else "every prompt"
        note = (
            f"prompts without the text that the chat template {template.name} adds to {where}, "
            f"those of the standard arm included: {text!r}"
        )
        if gives_way:
            note += "; a cue with this text is the standard arm's own prompt, any other replaces it"
        yield note


def find_standard_prompts(
    targets: Iterable[tuple[str, Engine]], probes: Sequence[Probe]
) -> frozenset[str]:
    """Finds the cues that leave every target's prompt as it is without them.

    Args:
        targets: model strings and engines.
        probes: one question in the standard arm, then under every cue.
    """
    same = [_list_standard_prompts(engine, probes) for _, engine in targets]
    return frozenset.intersection(*same) if same else frozenset()


def same_prompts(targets: Iterable[tuple[str, Engine]], probes: Sequence[Probe]) -> Iterator[str]:
    """Notes cues that do not change the prompt of one target, though they change another's.

    Args:
        targets: model strings and engines.
        probes: one question in the standard arm, then under every cue.
    """
    for name, engine in targets:
        same = _list_standard_prompts(engine, probes)
        if same:
            listed = [p.cue.name for p in probes if p.cue and p.cue.name in same]
            yield (
                f"{', '.join(listed)} apart from the standard arm: {name} is sent the same prompt "
                "with and without it, so the difference is zero by construction, and misbehaviour "
                "that it triggers shows in the standard arm (BROAD)"
            )


def _list_standard_prompts(engine: Engine, probes: Sequence[Probe]) -> frozenset[str]:
    """Names of the cues that do not change a model's prompt."""
    standard, *cued = (_render_prompt(engine, probe) for probe in probes)
    pairs = zip(probes[1:], cued, strict=True)
    return frozenset(p.cue.name for p, sent in pairs if p.cue and sent and sent == standard)


def _render_prompt(engine: Engine, probe: Probe) -> str:
    """Renders the prompt; empty if the template rejects it, which sampling reports."""
    try:
        return engine.render(probe.messages)
    except ModelError:
        return ""
