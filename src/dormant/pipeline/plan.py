"""From a configuration to a frozen plan: models opened, cues mined, every prompt decided.

``prepare_audit`` is the first half of an audit: it loads models but samples nothing, so
``dormant plan`` shows the cost before anything is spent. Only a writer, if configured, is asked,
since its texts are part of the plan.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dormant.banks.continuations import load_continuations
from dormant.config import AuditBudgetConfig, AuditConfig
from dormant.corpus import Corpus, list_untested
from dormant.decision.coverage import list_contexts
from dormant.engines import Engine, HasCaveats, Scorer
from dormant.engines.metering.ledger import settle_prices
from dormant.engines.model_strings import add_template_kwargs, expand_seeds
from dormant.engines.registry import limit_calls, open_engine, opening_without_keys
from dormant.engines.tool_definitions import describe_definition_moves
from dormant.engines.tool_turns import describe_tool_moves, has_tool_turn
from dormant.errors import ConfigError, ModelError
from dormant.judges import Judge
from dormant.judges.registry import open_judge
from dormant.pipeline.context_limits import check_lengths
from dormant.pipeline.cue_list import CueList, drop_standard_prompts, list_cues, omit_cues
from dormant.pipeline.frozen import continue_plan, hash_cue_settings
from dormant.pipeline.inputs import Inputs, apply_evaluation, read_inputs
from dormant.pipeline.mine import same_prompts
from dormant.pipeline.plugins import list_used_plugins
from dormant.pipeline.questions import QuestionChoice, choose_questions, hash_question_settings
from dormant.pipeline.refused_turns import drop_refused_turns
from dormant.probes import pair_probes
from dormant.progress import Progress, ignore_progress
from dormant.records import (
    Cue,
    ModelCard,
    Omission,
    Placement,
    Plan,
    Question,
    Role,
    Sequential,
    Source,
)
from dormant.version import __version__
from dormant.writer import add_written_variants, open_writer


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A loaded model in its role."""

    card: ModelCard
    engine: Engine

    @property
    def label(self) -> str:
        """Its name in progress and errors."""
        return str(self.card.role) if self.card.seed == "0" else f"target {self.card.seed}"


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is known of an audit before its models are opened."""

    config: AuditConfig
    inputs: Inputs
    chosen: QuestionChoice


@dataclass(frozen=True, slots=True)
class Models:
    """Every model of an audit, opened."""

    subjects: tuple[Subject, ...]  # targets, then the reference
    judge: Judge
    writer: Engine | None

    @property
    def targets(self) -> list[tuple[str, Engine]]:
        """Model strings and engines of the targets."""
        return [(s.card.name, s.engine) for s in self.subjects if s.card.role is Role.TARGET]


@dataclass(frozen=True, slots=True)
class PreparedAudit:
    """A frozen plan with its opened models and judge."""

    plan: Plan
    subjects: tuple[Subject, ...]
    judge: Judge
    out: Path
    settings: str  # hashes of what decides cues and questions, stored beside the plan
    budget: AuditBudgetConfig = AuditBudgetConfig()
    #: Why the writer was not asked in a dry run, so that the plan is not the audit's; else empty.
    writer_problem: str = ""
    has_own_split: bool = False  # whether the user's file of questions gives the halves

    @property
    def engines(self) -> dict[str, Engine]:
        """Every model that may be asked, by role."""
        return {s.label: s.engine for s in self.subjects} | dict(self.judge.engines())


def prepare_audit(
    config: AuditConfig,
    *,
    progress: Progress = ignore_progress,
    needs_keys: bool = True,
    amend: bool = False,
    preview: Callable[[Sketch], None] | None = None,
) -> PreparedAudit:
    """Reads the inputs, opens the models, lists the cues and freezes the plan; asks the writer.

    Args:
        config: what to audit and how.
        progress: called with (stage, done, total): MB of large data, texts of the writer.
        needs_keys: whether a missing key of an API is an error. A dry run needs none; a writer
            without a key is not asked.
        amend: list cues anew even where the run directory holds a plan of the same settings.
        preview: called with what is known before the models are opened.

    Raises:
        InputError: something in the configuration or the data cannot be used.
        BudgetError: the writer would exceed the budget.
        EngineError: the writer stopped answering; the same call continues.
    """
    config = _name_models(config)
    inputs = read_inputs(config, config.targets, judge=config.judge, progress=progress)
    config = apply_evaluation(config, inputs.evaluation)
    chosen = choose_questions(config, inputs)
    if preview is not None:
        preview(Sketch(config, inputs, chosen))
    with (
        limit_calls(config.timeout),
        contextlib.nullcontext() if needs_keys else opening_without_keys(),
    ):
        models = open_models(config, chosen.questions)
    listed = list_cues(config, inputs, models.targets, progress)
    plan = freeze_plan(config, inputs, chosen, models, listed)
    out = Path(config.out) if config.out else Path("runs", f"audit-{plan.hash[:10]}")
    settings = f"{hash_cue_settings(config, inputs)} {hash_question_settings(config, inputs)}"
    new, problem = plan, ""
    engines = [subject.engine for subject in models.subjects]
    has_begun = (out / "plan.lock.json").is_file()  # a run that was begun keeps its errors
    if not has_begun or amend:
        check_lengths(plan, engines)
    if not amend:
        plan = continue_plan(plan, out, settings, (config, inputs))
    if models.writer is not None and plan is new:
        try:
            plan = add_written_variants(
                plan,
                models.writer,
                wanted=config.cues.variants,
                out=out,
                usable=inputs.pack.make_lexicon().has_words,
                budget=config.budget,
                progress=progress,
            )
        except ModelError as error:
            if needs_keys:
                raise
            problem = str(error)
        if not has_begun or amend:
            check_lengths(plan, engines)
    return PreparedAudit(
        plan=plan,
        subjects=models.subjects,
        judge=models.judge,
        out=out,
        settings=settings,
        budget=config.budget,
        writer_problem=problem,
        has_own_split=chosen.has_own_split,
    )


def sequential_of(
    config: AuditConfig,
    inputs: Inputs,
    questions: Sequence[Question],
    engines: Sequence[Engine],
) -> Sequential | None:
    """Returns the configured sequential design; None for the fixed design.

    Args:
        config: the audit.
        inputs: the language and the whole question bank are read.
        questions: those of the bank that are asked, with their halves.
        engines: the models.

    Raises:
        ConfigError: teacher forcing is configured but a model cannot score, or no question has
            continuations.
    """
    settings = config.sequential
    if config.design == "fixed":
        if settings != type(settings)():
            raise ConfigError(
                "sequential: design is 'fixed': give design: sequential, or leave these out"
            )
        return None
    if settings.screening == "none":
        return settings.to_record()
    unable = next((engine.name for engine in engines if not isinstance(engine, Scorer)), None)
    if unable is not None:
        raise ConfigError(
            f"sequential.screening: {unable!r} cannot score given answers, which teacher_forcing "
            "needs: use none"
        )
    found = load_continuations(
        settings.continuations,
        inputs.pack.name,
        inputs.bank,
        questions,
        has_own_split=inputs.has_own_split,
    )
    return settings.to_record(found)


def open_models(config: AuditConfig, questions: Sequence[Question]) -> Models:
    """Opens the judge, the models under audit and the writer, and settles their prices.

    Raises:
        ConfigError: the judge cannot be used for these questions, or a price is missing or for an
            unknown model.
        ConfigError: two models have one fingerprint, and ``allow_identical`` is not set.
        ModelError: a model cannot be opened.
    """
    judge = open_judge(config.judge)
    judge.check_questions(questions)
    subjects = tuple(_open_subjects(config))
    if not config.allow_identical:
        _refuse_identical(subjects)
    writer = open_writer(config.writer) if config.writer is not None else None
    models = Models(subjects, judge, writer)
    settle_prices(_list_asked(models), config.prices, config.budget)
    return models


def freeze_plan(
    config: AuditConfig,
    inputs: Inputs,
    chosen: QuestionChoice,
    models: Models,
    listed: CueList,
) -> Plan:
    """Freezes the plan of an audit, before a writer adds variants."""
    data, judge, questions = inputs.data, models.judge, chosen.questions
    listed = drop_standard_prompts(listed, models.targets, questions[0])
    engines = [subject.engine for subject in models.subjects]
    cues, refused = drop_refused_turns(listed.cues, engines, questions)
    same = same_prompts(models.targets, pair_probes(questions[:1], cues))
    moved = describe_tool_moves(engines) if _has_tool_turns(cues) else ()
    offered = describe_definition_moves(engines) if _has_definitions(cues) else ()
    notes = (*listed.notes, *same, *list_caveats(engines), *moved, *offered)
    return Plan(
        version=__version__,
        models=tuple(subject.card for subject in models.subjects),
        judge=judge.name,
        judge_fingerprint=judge.fingerprint,
        judge_description=judge.describe(),
        questions=questions,
        cues=cues,
        sampling=config.sampling.to_record(config.seed),
        rule=replace(config.rule.to_record(), claim=chosen.claim),
        seed=config.seed,
        data=data.hash if data else "",
        data_rows=data.trained_rows if data else 0,
        not_tested=(
            *notes,
            *list_contexts(listed.contexts),
            *refused,
            *listed.left_out,
            *_not_tested(data, cues, has_reference=config.has_reference),
        ),
        writer=config.writer or "",
        sequential=sequential_of(config, inputs, questions, engines),
        left_out=(*listed.contexts, *_omit_refused(listed.cues, cues)),
        judge_repeats=config.judge_repeats if judge.make_repeat(1) is not None else 0,
        plugins=list_used_plugins(config.cues, _list_asked(models), config.judge),
    )


def _list_asked(models: Models) -> list[Engine]:
    """Every model that an audit asks."""
    asked = [*(subject.engine for subject in models.subjects), *models.judge.engines().values()]
    return [*asked, *([models.writer] if models.writer is not None else [])]


def _has_tool_turns(cues: Sequence[Cue]) -> bool:
    return any(has_tool_turn(part.turns) for cue in cues for part in cue.effects)


def _has_definitions(cues: Sequence[Cue]) -> bool:
    return any(part.placement is Placement.TOOLS for cue in cues for part in cue.effects)


def _omit_refused(listed: Sequence[Cue], asked: Sequence[Cue]) -> Iterator[Omission]:
    """Counts the contexts of the data whose turns a chat template rejects."""
    names = {cue.name for cue in asked}
    lost = [c for c in listed if c.source is Source.MINED and not c.parent and c.name not in names]
    if lost:
        yield omit_cues(lost, "whose turns a chat template rejects")


def _name_models(config: AuditConfig) -> AuditConfig:
    """Lists every training of the targets, and writes template variables into the model strings.

    The plan identifies a model by its string, so the string contains every variable.
    """
    variables = config.template_kwargs
    names = [name for target in config.targets for name in expand_seeds(target)]
    targets = tuple(add_template_kwargs(name, variables) for name in names)
    reference = config.reference
    if config.has_reference:
        reference = add_template_kwargs(reference, variables)
    return config.model_copy(update={"target": targets, "reference": reference})


def _open_subjects(config: AuditConfig) -> Iterator[Subject]:
    for seed, name in enumerate(config.targets):
        engine = open_engine(name)
        yield Subject(ModelCard(Role.TARGET, str(seed), name, engine.fingerprint), engine)
    if not config.has_reference:
        return
    engine = open_engine(config.reference)
    card = ModelCard(Role.REFERENCE, "0", config.reference, engine.fingerprint)
    yield Subject(card, engine)


def _refuse_identical(subjects: Sequence[Subject]) -> None:
    """Refuses models that are the same: their difference is zero whatever they do.

    Scripted models are exempt: they are written by hand, and two copies are a check of the audit.
    """
    seen: dict[str, ModelCard] = {}
    for subject in subjects:
        card = subject.card
        twin = seen.setdefault(card.fingerprint, card)
        if twin is card or card.name.startswith("scripted/"):
            continue
        same = f"{twin.name!r} and {card.name!r} are the same model (equal fingerprints)"
        if card.role is Role.REFERENCE:
            raise ConfigError(
                f"target and reference: {same}, so no difference can be found; name the model "
                "before finetuning as the reference, or give --allow-identical"
            )
        raise ConfigError(
            f"target: {same}, so they are not two training seeds; leave one out, or give "
            "--allow-identical"
        )


def list_caveats(engines: Iterable[Engine]) -> tuple[str, ...]:
    """Lists what is not tested because of how models are loaded and asked, each entry once."""
    found = [
        note for engine in engines if isinstance(engine, HasCaveats) for note in engine.caveats
    ]
    return tuple(dict.fromkeys(found))


def _not_tested(data: Corpus | None, cues: Sequence[Cue], *, has_reference: bool) -> Iterator[str]:
    if data is None:
        yield "cues of the finetuning data: no file was given, so nothing was mined"
    else:
        yield from list_untested(data)
    if not has_reference:
        yield "what finetuning changed: no reference model was asked, so nothing is compared"
    yield "cues that are not listed in this report, and combinations of listed ones"
    if any(part.turns for cue in cues for part in cue.effects):
        yield (
            "other conversations of more than one turn than those listed, tool definitions, "
            "images, and other languages than the bank's"
        )
        return
    yield "conversations of more than one turn, tools, images, and other languages than the bank's"
