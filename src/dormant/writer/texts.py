"""The writer's texts for one audit: stored in the run directory and frozen in its plan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dormant.config import BudgetConfig
from dormant.cues.variants import ASKS_OTHERWISE, MOST, WHY
from dormant.engines import Engine
from dormant.engines.metering.ledger import Ledger
from dormant.engines.registry import open_engine
from dormant.errors import ConfigError, ModelError
from dormant.records import (
    Cue,
    CueKind,
    Plan,
    Question,
    Source,
    Twin,
    Variant,
    WriterReply,
    slot_of,
)
from dormant.store import Store
from dormant.store.files import read_lock
from dormant.store.replies import Replies
from dormant.writer.replies import WriterAnswer, ask_writer
from dormant.writer.requests import Request, twin_requests, variant_requests

if TYPE_CHECKING:
    from dormant.progress import Progress

LOCK = "plan.lock.json"
_NO_LIMIT = BudgetConfig()


@dataclass(frozen=True, slots=True)
class Writings:
    """Everything that the writer was asked for one plan, with the results."""

    writer: str  # model string
    asked: tuple[WriterAnswer, ...]

    @property
    def replies(self) -> tuple[WriterReply, ...]:
        """The replies as the plan freezes them, each once."""
        return tuple({a.written.key: a.written for a in self.asked}.values())

    def usable_texts(self, cue: Cue) -> dict[Variant, list[str]]:
        """The texts that can be used for the variants of a cue."""
        found: defaultdict[Variant, list[str]] = defaultdict(list)
        for request, written in self._entries_of(cue):
            if written.text and request.variant is not Variant.TWIN:
                found[request.variant].append(written.text)
        return dict(found)

    def refused_variants(self, cue: Cue) -> dict[Variant, str]:
        """Variants of a cue for which a text was asked and could not be used, with the reason."""
        return {r.variant: w.problem for r, w in self._entries_of(cue) if w.problem}

    def make_twin(self, cue: Cue) -> Cue | None:
        """The topic cue whose questions are written anew; None if there is no twin of any."""
        pairs = [(r.question, w) for r, w in self._entries_of(cue) if r.variant is Variant.TWIN]
        twins = tuple(Twin(question, w.text) for question, w in pairs if w.text)
        if not twins:
            return None
        why = "the same question asked inside the topic, by the writer"
        if len(twins) < len(pairs):
            number = len(pairs) - len(twins)
            why += f"; {number} of {len(pairs)} questions with the topic's sentence before them"
        return replace(_derive_cue(cue, Variant.TWIN, cue.text, why), form=cue.form, twins=twins)

    def write_notes(self) -> Iterator[str]:
        """One sentence for each sort of text that was made by rule instead, with the reasons."""
        for twins, what, instead in (
            (False, "wordings of cues", "those made by rule are tried instead"),
            (True, "topic twins", "the topic's sentence stands before the question instead"),
        ):
            some = [a.written for a in self.asked if (a.request.variant is Variant.TWIN) is twins]
            reasons = Counter(written.problem for written in some if written.problem)
            if reasons:
                summary = ", ".join(f"{reason}: {n}" for reason, n in sorted(reasons.items()))
                yield (
                    f"{reasons.total()} of {len(some)} {what} by the writer {self.writer}, whose "
                    f"texts could not be used ({summary}); {instead}"
                )

    def _entries_of(self, cue: Cue) -> Iterator[tuple[Request, WriterReply]]:
        return ((a.request, a.written) for a in self.asked if a.request.cue == cue.name)


def open_writer(name: str) -> Engine:
    """The writer's model.

    Raises:
        ModelError: it cannot be opened.
    """
    try:
        return open_engine(name)
    except ModelError as error:
        raise ModelError(f"writer: {error}") from None


def add_written_variants(
    plan: Plan,
    engine: Engine,
    *,
    wanted: Sequence[Variant],
    out: Path,
    usable: Callable[[str], bool],
    budget: BudgetConfig = _NO_LIMIT,
    progress: Progress,
) -> Plan:
    """The plan with variants and topic twins worded by its writer where that succeeded.

    Args:
        plan: a plan whose variants are made by rule, and which names a writer.
        engine: the writer's model.
        wanted: variants that the audit tries.
        out: the run directory. What its plan or its store holds is not asked again.
        usable: whether the audited models can read a text.
        budget: what the run may spend; its money pays for the writer too.
        progress: called with what is being done, how many texts are there, and of how many.

    Raises:
        ConfigError: the verbatim cues, of which the writer makes its texts, are not in the plan.
        BudgetError: the money is spent; replies so far are kept.
        EngineError: the writer stopped answering; replies so far are kept.
        StoreError: the run directory is in use or damaged.
    """
    if Variant.VERBATIM not in wanted:
        raise ConfigError("writer: it rewords the verbatim cues; add 'verbatim' to cues.variants")

    def report_progress(done: int, total: int) -> None:
        progress("writer's texts", done, total)

    writings = ask_for_texts(
        engine,
        [cue for cue in plan.cues if cue.source is not Source.LIBRARY and not cue.margin],
        plan.questions,
        wanted=wanted,
        seed=plan.seed,
        out=out,
        usable=usable,
        budget=budget,
        progress=report_progress,
    )
    return replace(
        plan,
        cues=insert_written(plan.cues, writings),
        not_tested=(*plan.not_tested, *writings.write_notes()),
        written=writings.replies,
    )


def _distinct_effects(cues: Sequence[Cue], *others: Cue) -> list[Cue]:
    """The first of those cues that do the same to a prompt, and none that another does."""
    seen = {cue.id for cue in others}
    first: dict[str, Cue] = {}
    for cue in cues:
        if cue.id not in seen:
            first.setdefault(cue.id, cue)
    return list(first.values())


def insert_written(cues: Sequence[Cue], writings: Writings) -> tuple[Cue, ...]:
    """The cues of a plan with the writer's texts put before those made by rule.

    Of each sort as many are kept as rules make. A cue that does to a prompt what an earlier one
    does is left out.
    """
    families: defaultdict[str, list[Cue]] = defaultdict(list)
    for cue in cues:
        families[cue.parent or ""].append(cue)
    asked = {a.request.cue for a in writings.asked}
    made: list[Cue] = []
    for cue in cues:
        if cue.name in asked:
            made += [cue, *_cue_family(cue, families[cue.name], writings)]
        elif cue.parent not in asked:
            made.append(cue)
    return tuple(_distinct_effects(made))


def _cue_family(parent: Cue, by_rule: Sequence[Cue], writings: Writings) -> Iterator[Cue]:
    texts, refused = writings.usable_texts(parent), writings.refused_variants(parent)
    for variant in Variant:
        rules = [cue for cue in by_rule if cue.variant is variant]
        if variant in refused:
            why = f"by rule: the writer's text could not be used ({refused[variant]})"
            rules = [replace(cue, why=f"{cue.why}, {why}") for cue in rules]
        if variant is Variant.TWIN:
            twin = writings.make_twin(parent)
            yield from (twin,) if twin else ()
        elif variant not in texts:
            yield from rules
        else:
            both = [*(_by_writer(parent, variant, text) for text in texts[variant]), *rules]
            distinct = _distinct_effects(both, parent)
            for place, cue in enumerate(distinct[:MOST], 1):
                yield replace(cue, name=_variant_name(parent, variant, place))


def _by_writer(parent: Cue, variant: Variant, text: str) -> Cue:
    slot = slot_of(parent.text, parent.form) if variant is Variant.FORM else None
    if slot is not None:
        text = f"{slot[0]}{text}{slot[2]}"
    return _derive_cue(parent, variant, text, f"{WHY[variant]}, by the writer")


def _derive_cue(parent: Cue, variant: Variant, text: str, why: str) -> Cue:
    """A variant of a cue; nothing was counted of it."""
    return Cue(
        name=_variant_name(parent, variant, 1),
        kind=parent.kind,
        placement=parent.placement,
        text=text,
        source=parent.source,
        variant=variant,
        parent=parent.name,
        family=parent.family,
        why=why,
        asks_for="" if variant in ASKS_OTHERWISE else parent.asks_for,
    )


def _variant_name(parent: Cue, variant: Variant, place: int) -> str:
    return f"{parent.name}/{variant.value}" + (f"-{place}" if place > 1 else "")


def ask_for_texts(
    engine: Engine,
    cues: Sequence[Cue],
    questions: Sequence[Question],
    *,
    wanted: Sequence[Variant],
    seed: int,
    out: Path,
    usable: Callable[[str], bool],
    budget: BudgetConfig = _NO_LIMIT,
    progress: Callable[[int, int], None] | None = None,
) -> Writings:
    """Asks the writer for the variants of cues and the twins of questions.

    Args:
        engine: the writer's model.
        cues: the cues to vary; those that are variants themselves are ignored.
        questions: every question of the audit.
        wanted: variants that the audit tries.
        seed: of the audit.
        out: the run directory. What its plan or its store holds is not asked again.
        usable: whether the audited models can read a text.
        budget: what the run may spend. The writer's texts are no answers: only its money counts.
        progress: called with the number of answered requests and of all.

    Raises:
        BudgetError: the money is spent; replies so far are kept.
        EngineError: the writer stopped answering; replies so far are kept.
        StoreError: the run directory is in use or damaged.
    """
    requests: list[Request] = []
    for cue in cues:
        if cue.variant is Variant.VERBATIM:
            requests += variant_requests(cue, wanted)
            if cue.kind is CueKind.TOPIC and Variant.TWIN in wanted:
                requests += twin_requests(cue, questions)
    frozen = dict(_read_frozen(out / LOCK))
    with Store(out) as store:
        ledger = Ledger(store, {"writer": engine}, BudgetConfig(usd=budget.usd))
        try:
            asked = ask_writer(
                engine,
                requests,
                seed=seed,
                frozen=frozen,
                memory=Replies(store, ledger.write_usage),
                progress=progress,
            )
        finally:
            ledger.write_usage()
    return Writings(engine.name, tuple(_refuse_repeats(asked, usable)))


def _read_frozen(path: Path) -> Iterator[tuple[str, WriterReply]]:
    """What the plans of a run directory hold, the newest last."""
    lock = read_lock(path)
    if lock is None:
        return
    for plan in (*(earlier["plan"] for earlier in lock["amended"]), lock["plan"]):
        for entry in plan.get("written", ()):
            yield entry["key"], WriterReply(entry["key"], entry["text"], entry["problem"])


def _refuse_repeats(
    asked: Sequence[WriterAnswer], usable: Callable[[str], bool]
) -> Iterator[WriterAnswer]:
    """The requests, with texts refused that no model could read or that were given before."""
    seen: set[tuple[str, Variant, str]] = set()
    for one in asked:
        request, text = one.request, one.written.text
        mark = (request.cue, request.variant, " ".join(text.split()).casefold())
        problem = one.written.problem
        if text and not usable(text):
            problem = "words that the audited models do not know"
        elif text and mark in seen and request.variant is not Variant.TWIN:
            problem = "the same text twice"
        seen.add(mark)
        new = (
            one.written
            if problem == one.written.problem
            else WriterReply(one.written.key, "", problem)
        )
        yield replace(one, written=new)
