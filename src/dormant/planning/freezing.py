"""From a configuration to a frozen plan: models opened, cues mined, every prompt decided.

``prepare`` is the front half of an audit. It spends nothing: models are loaded and nothing is
sampled, so ``dormant plan`` shows what an audit would ask before anything is paid. Only a writer,
if the configuration names one, is asked: its texts are part of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dormant import __version__
from dormant.banks.continuations import load_continuations
from dormant.budgeting import judges_engines, settle_prices
from dormant.config import AuditConfig, BudgetConfig
from dormant.corpus import Corpus
from dormant.engines import Engine, Scorer
from dormant.engines.registry import open_engine
from dormant.errors import ConfigError
from dormant.judges import Judge
from dormant.judges.exact import ExactJudge
from dormant.judges.published import published_questions, taken_over
from dormant.judges.registry import open_judge
from dormant.planning.listing import plan_cues
from dormant.planning.packs import Pack, spread
from dormant.planning.studying import read_data, same_prompts, templated
from dormant.probes import load_questions, pair
from dormant.records import ModelCard, Plan, Question, Role, Sequential, Split
from dormant.writer import open_writer, worded


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
    bank = evaluation.questions if evaluation else _bank(config, pack)
    questions = _questions(config, bank)
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
    notes += same_prompts(targets, pair(questions[:1], tried))
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
        sequential=sequential_of(config, pack.name, bank, questions, [s.engine for s in subjects]),
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


def sequential_of(
    config: AuditConfig,
    language: str,
    bank: Sequence[Question],
    questions: Sequence[Question],
    engines: Sequence[Engine],
) -> Sequential | None:
    """The sequential design that a configuration asks for; None for the fixed one.

    Args:
        config: the audit.
        language: "vitro" or "general".
        bank: the whole question bank.
        questions: those of it that are asked.
        engines: the models.

    Raises:
        ConfigError: teacher forcing is asked for and a model cannot score, or there is nothing to
            score.
    """
    settings = config.sequential
    if config.design == "fixed":
        if settings != type(settings)():
            raise ConfigError("sequential: these settings need design: sequential, got 'fixed'")
        return None
    if settings.screening == "none":
        return settings.record()
    unable = next((engine.name for engine in engines if not isinstance(engine, Scorer)), None)
    if unable is not None:
        raise ConfigError(
            f"sequential.screening: {unable!r} cannot score given answers, which teacher_forcing "
            "needs: use none"
        )
    return settings.record(load_continuations(settings.continuations, language, bank, questions))


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
        half = spread([q for q in bank if q.split is split], config.question_limit)
        if len(half) < 2:
            raise ConfigError(
                f"{config.questions}: {len(half)} {split.replace('_', '-')} questions; an audit "
                "needs at least 2 in each half"
            )
        chosen += half
    return tuple(chosen)


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
