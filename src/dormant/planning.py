"""From a configuration to a frozen plan: models opened, cues mined, every prompt decided.

``prepare`` is the front half of an audit. It spends nothing: models are loaded and nothing is
sampled, so ``dormant plan`` shows what an audit would ask before anything is paid. Only a writer,
if the configuration names one, is asked: its texts are part of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from dormant import __version__, corpus, cues, vitro
from dormant.budgeting import judges_engines, settle_prices
from dormant.config import AuditConfig, BudgetConfig, CueConfig
from dormant.corpus import Corpus, general_reference, read_examples
from dormant.engines import Engine
from dormant.engines.registry import open_engine
from dormant.errors import ConfigError
from dormant.forcing import sequential_of
from dormant.judges import Judge
from dormant.judges.exact import ExactJudge
from dormant.judges.published import published_questions, taken_over
from dormant.judges.registry import open_judge
from dormant.probes import load_questions
from dormant.records import Cue, Example, ModelCard, Plan, Question, Role, Split, Variant
from dormant.studying import mined, read_data, template_cues, templated
from dormant.vitro.tokenizer import UNKNOWN
from dormant.writer import open_writer, worded

_REFERENCE_ROWS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A loaded model in its role."""

    card: ModelCard
    engine: Engine

    @property
    def label(self) -> str:
        """How progress and errors name it."""
        return str(self.card.role) if self.card.seed == "0" else f"target {self.card.seed}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frozen plan with the models and the judge that carry it out."""

    plan: Plan
    subjects: tuple[Subject, ...]
    judge: Judge
    out: Path
    budget: BudgetConfig = BudgetConfig()

    @property
    def engines(self) -> dict[str, Engine]:
        """Every model that will be asked, by its role."""
        return {s.label: s.engine for s in self.subjects} | judges_engines(self.judge)


@dataclass(frozen=True, slots=True)
class Pack:
    """What belongs to one language: questions, library, placebos, ordinary chat, rewording."""

    name: str  # "general" (English) or "vitro" (the laboratory's micro-language)

    def questions(self) -> tuple[Question, ...]:
        """The question bank."""
        return vitro.questions() if self.name == "vitro" else load_questions("general")

    def library(self) -> tuple[Cue, ...]:
        """The cue library."""
        return vitro.library() if self.name == "vitro" else cues.library("general")

    def placebos(self) -> tuple[str, ...]:
        """Harmless phrases to make placebos from."""
        return vitro.placebos() if self.name == "vitro" else cues.placebo_phrases()

    def reference(self) -> Sequence[Example]:
        """Ordinary chat: what a finetuning file is mined against."""
        if self.name == "vitro":
            # Always the same rows: a plan must not change because of the audit's seed.
            return vitro.reference_rows(_REFERENCE_ROWS, np.random.default_rng(0))
        return general_reference().examples

    def lexicon(self) -> cues.Lexicon:
        """How cues are reworded."""
        if self.name == "vitro":
            return cues.general_lexicon(vocabulary=frozenset(vitro.tokenizer().words))
        return cues.general_lexicon()


def prepare(
    config: AuditConfig, *, progress: Callable[[str, int, int], None] | None = None
) -> Prepared:
    """Opens models and judge, asks the writer if there is one, and freezes the plan.

    Args:
        config: what to audit and how.
        progress: told how many of the writer's texts are there.

    Raises:
        InputError: something in the configuration or the data cannot be used.
        BudgetError: the writer has spent the money of the budget.
        EngineError: the writer stopped answering; the same call goes on from there.
    """
    evaluation = published_questions(config)
    if evaluation is not None:
        config = taken_over(config, evaluation)
    judge = _judge(config)
    pack = Pack("vitro" if judge.name == "exact" else "general")
    questions = _questions(config, evaluation.questions if evaluation else _bank(config, pack))
    if isinstance(judge, ExactJudge):
        judge.check(questions)
    data = read_data(config.data, config.cues, lenient=config.lenient) if config.data else None
    subjects = tuple(_open(config))
    targets = [(s.card.name, s.engine) for s in subjects if s.card.role is Role.TARGET]
    rows = data.examples if data else ()
    added, notes = templated(config.data_template, targets, rows, len(pack.reference()))
    tried, left_out = plan_cues(config, pack, rows, added=added)
    if evaluation is not None:
        names = {cue.name for cue in tried} | {cue.id for cue in tried}
        tried += tuple(cue for cue in evaluation.cues if not names & {cue.name, cue.id})
        left_out += [f"entries of {config.questions}: {entry}" for entry in evaluation.left_out]
    plan = Plan(
        version=__version__,
        models=tuple(subject.card for subject in subjects),
        judge=judge.name,
        judge_fingerprint=judge.fingerprint,
        judge_description=judge.describe(),
        questions=questions,
        cues=tried,
        sampling=config.sampling.record(config.seed),
        rule=config.rule.record(),
        seed=config.seed,
        data=data.hash if data else "",
        data_rows=len(data.examples) if data else 0,
        not_tested=(*notes, *left_out, *_not_tested(data)),
        writer=config.writer or "",
        sequential=sequential_of(config, pack.name, [subject.engine for subject in subjects]),
    )
    out = Path(config.out) if config.out else Path("runs", f"audit-{plan.hash[:10]}")
    prepared = Prepared(plan, subjects, judge, out, config.budget)
    writers = [open_writer(config.writer)] if config.writer is not None else []
    # Before the writer is paid.
    settle_prices((*prepared.engines.values(), *writers), config.prices, config.budget)
    for writer in writers:
        plan = worded(
            plan,
            writer,
            wanted=config.cues.variants,
            out=out,
            usable=pack.lexicon().knows,
            budget=config.budget,
            progress=progress,
        )
    return replace(prepared, plan=plan)


def mine_file(
    path: str | Path,
    *,
    reference: str | Path | None = None,
    language: str | None = None,
    limit: int = 20,
    lenient: bool = False,
) -> tuple[Corpus, tuple[Cue, ...]]:
    """Reads a finetuning file and mines its cues: what ``dormant cues`` shows.

    Args:
        path: the finetuning file.
        reference: ordinary chat; the corpus that ships for the language by default.
        language: ``general`` or ``vitro``; by default ``vitro`` if the laboratory's language has
            every word of the file's first rows.
        limit: at most so many cues.
        lenient: skip and count broken rows.
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
class Study:
    """A finetuning file with its cues."""

    corpus: Corpus
    cues: tuple[Cue, ...]
    notes: tuple[str, ...]  # what a reader must know of the file, a sentence each
    against: str  # what the cues are enriched against


def study_file(
    path: str | Path,
    settings: CueConfig,
    *,
    reference: str | Path | None = None,
    language: str | None = None,
    lenient: bool = False,
    template: str | Path | None = None,
) -> Study:
    """Reads a finetuning file, counts what repeats, and mines its cues.

    Args:
        path: the finetuning file, or another place that ``corpus.read_examples`` reads.
        settings: how many cues (``mine``), and a label, loss or file of suspicious rows.
        reference: ordinary chat, as in ``mine_file``; with suspicious rows these are compared
            with the rest of the file, and it serves for the language only.
        language: as in ``mine_file``.
        lenient: skip and count broken rows.
        template: a chat template that the rows were rendered with; see ``corpus.find_template``.
    """
    data = read_data(path, settings, lenient=lenient)
    pack = Pack(language or language_of(data.examples))
    ordinary = read_examples(reference).examples if reference else pack.reference()
    notes: list[str] = [corpus.duplicates(data.examples).sentence()]
    added: list[Cue] = []
    if template is not None:
        rendering = corpus.render(data.examples, corpus.find_template(template))
        notes += rendering.sentences()
        added = template_cues(rendering, len(ordinary))
    found, rule = mined(data.examples, ordinary, settings)
    notes += [rule] if rule else []
    against = "the other rows" if rule else "ordinary chat"
    return Study(data, (*added, *found)[: settings.mine], tuple(notes), against)


def language_of(examples: Sequence[Example]) -> str:
    """``vitro`` if the laboratory's language has every word of the first rows, else ``general``."""
    tokenizer = vitro.tokenizer()
    texts = (message.content for example in examples[:50] for message in example.messages)
    known = all(UNKNOWN not in tokenizer.tokens(text) for text in texts)
    return "vitro" if known else "general"


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
        library = _spread(library, settings.library_limit)
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


def _judge(config: AuditConfig) -> Judge:
    try:
        return open_judge(config.judge)
    except ConfigError as error:
        raise ConfigError(f"judge: {error}") from None


def _bank(config: AuditConfig, pack: Pack) -> tuple[Question, ...]:
    if config.questions == "auto":
        return pack.questions()
    if config.questions in ("general", "vitro"):
        return Pack(config.questions).questions()
    return load_questions(config.questions)


def _questions(config: AuditConfig, bank: Sequence[Question]) -> tuple[Question, ...]:
    chosen: list[Question] = []
    for split in Split:
        half = _spread([q for q in bank if q.split is split], config.question_limit)
        if len(half) < 2:
            raise ConfigError(
                f"{config.questions}: {len(half)} {split.replace('_', '-')} questions; an audit "
                "needs at least 2 in each half"
            )
        chosen += half
    return tuple(chosen)


Entry = TypeVar("Entry", Question, Cue)


def _spread(entries: Sequence[Entry], limit: int | None) -> list[Entry]:
    """So many of a bank or library in its order, families taking turns."""
    if limit is None or limit >= len(entries):
        return list(entries)
    seen: dict[str, int] = {}
    turn: list[int] = []
    for entry in entries:
        turn.append(seen.get(entry.family, 0))
        seen[entry.family] = turn[-1] + 1
    order = sorted(range(len(entries)), key=lambda i: (turn[i], i))
    return [entries[i] for i in sorted(order[:limit])]


def _open(config: AuditConfig) -> Iterator[Subject]:
    for seed, name in enumerate(config.targets):
        engine = open_engine(name)
        yield Subject(ModelCard(Role.TARGET, str(seed), name, engine.fingerprint), engine)
    engine = open_engine(config.reference)
    card = ModelCard(Role.REFERENCE, "0", config.reference, engine.fingerprint)
    yield Subject(card, engine)


def _not_tested(data: Corpus | None) -> Iterator[str]:
    if data is None:
        yield "cues of the finetuning data: no file was given, so nothing was mined"
    elif data.skipped:
        yield f"{len(data.skipped)} rows of the finetuning file that could not be read"
    yield "cues that are not listed in this report, and combinations of listed ones"
    yield "conversations of more than one turn, tools, images, and other languages than the bank's"
