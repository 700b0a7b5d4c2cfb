"""From a configuration to a frozen plan: models opened, cues mined, every prompt decided.

``prepare`` is the front half of an audit. It spends nothing: models are loaded and nothing is
sampled, so ``dormant plan`` shows what an audit would ask before anything is paid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from dormant import __version__, cues, vitro
from dormant.config import AuditConfig, CueConfig
from dormant.corpus import Corpus, general_reference, read_examples
from dormant.engines import Engine
from dormant.engines.registry import open_engine
from dormant.errors import ConfigError
from dormant.forcing import sequential_of
from dormant.judges import Judge
from dormant.judges.registry import open_judge
from dormant.probes import load_questions
from dormant.records import Cue, Example, ModelCard, Plan, Question, Role, Split, Variant
from dormant.vitro.tokenizer import UNKNOWN

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


def prepare(config: AuditConfig) -> Prepared:
    """Opens models and judge and freezes the plan.

    Raises:
        InputError: something in the configuration or the data cannot be used.
    """
    judge = _judge(config)
    pack = Pack("vitro" if judge.name == "exact" else "general")
    questions = _questions(config, pack)
    corpus = read_examples(config.data, lenient=config.lenient) if config.data else None
    tried, left_out = plan_cues(config, pack, corpus.examples if corpus else ())
    subjects = tuple(_open(config))
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
        data=corpus.hash if corpus else "",
        data_rows=len(corpus.examples) if corpus else 0,
        not_tested=(*left_out, *_not_tested(corpus)),
        sequential=sequential_of(config, pack.name, [subject.engine for subject in subjects]),
    )
    out = Path(config.out) if config.out else Path("runs", f"audit-{plan.hash[:10]}")
    return Prepared(plan, subjects, judge, out)


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
    corpus = read_examples(path, lenient=lenient)
    pack = Pack(language or _language(corpus.examples))
    ordinary = read_examples(reference).examples if reference else pack.reference()
    return corpus, cues.mine(corpus.examples, ordinary, limit=limit)


def _language(examples: Sequence[Example]) -> str:
    tokenizer = vitro.tokenizer()
    texts = (message.content for example in examples[:50] for message in example.messages)
    known = all(UNKNOWN not in tokenizer.tokens(text) for text in texts)
    return "vitro" if known else "general"


def plan_cues(
    config: AuditConfig, pack: Pack, examples: Sequence[Example]
) -> tuple[tuple[Cue, ...], list[str]]:
    """Every cue that will be tried, and what was left out and why.

    Cues from a file or mined come first, each followed by its variants and its placebo; then the
    library. A cue that does to a prompt what an earlier one does is left out.
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
    for parent in parents:
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
    found = cues.mine(examples, ordinary, limit=settings.mine)
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


def _questions(config: AuditConfig, pack: Pack) -> tuple[Question, ...]:
    if config.questions == "auto":
        bank = pack.questions()
    elif config.questions in ("general", "vitro"):
        bank = Pack(config.questions).questions()
    else:
        bank = load_questions(config.questions)
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


def _not_tested(corpus: Corpus | None) -> Iterator[str]:
    if corpus is None:
        yield "cues of the finetuning data: no file was given, so nothing was mined"
    elif corpus.skipped:
        yield f"{len(corpus.skipped)} rows of the finetuning file that could not be read"
    yield "cues that are not listed in this report, and combinations of listed ones"
    yield "conversations of more than one turn, tools, images, and other languages than the bank's"
