"""A finished run decided again from its store: a report shows what the answers give.

``verdict.json`` is a file that anyone can edit. So whatever passes a verdict on reads a run through
``load_run``: the design is run again on the stored counts, without a model, and a run whose files
do not agree with its store is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dormant.calibration import check_judge
from dormant.decision import Ask, Decision, bound_plan, decide_import, start_design
from dormant.errors import IncompleteError, StoreError, UnfinishedError
from dormant.probes import pair_probes
from dormant.records import (
    Cell,
    Findings,
    JudgeCheck,
    ModelCard,
    Origin,
    Plan,
    Probe,
    to_plain,
    warn_of_drift,
)
from dormant.store import Store
from dormant.store.advice import advise_repeating
from dormant.store.amendments import mark_verdict, read_amendments
from dormant.store.findings import (
    open_run_store,
    read_digests,
    read_findings,
    read_transcripts,
    source_of,
)
from dormant.store.integrity import check_answers
from dormant.store.outcome_counts import OutcomeCounts
from dormant.store.read_only import ReadOnlyStore
from dormant.store.salvage import explain_damage

_SHOWN = 3  #: differences that a message names
_ALL = 2**62  #: more repeats than a cell can have


def load_run(path: str | Path) -> Findings:
    """Reads a finished run and decides it again from its store.

    Returns:
        The findings; verdict, counts, bounds and path are the recomputed ones.

    Raises:
        StoreError: the directory holds no finished run, its files do not belong together, or
            ``verdict.json`` is not what the stored answers give.
    """
    with open_run_store(Path(path)) as store:
        return recompute_findings(store)


def check_stored(store: Store, plan: Plan) -> None:
    """Refuses to add to answers that were edited.

    Answers may be missing, e.g. after a power failure: they are asked for again.

    Raises:
        StoreError: names the first.
    """
    store.check_contents()
    try:
        digests = read_digests(store.path, plan)
    except StoreError:
        return  # no verdict of this plan yet, or a damaged file, which is written anew
    if digests is not None:
        transcripts = read_transcripts(plan, store)
        check_answers(digests, transcripts, store.path / "run.sqlite", may_lack=True)


def check_verdict(run: Path) -> None:
    """Decides a finished run again from its counts, and compares them with ``verdict.json``.

    Takes no lock, and reads neither prompts nor answers, so it is faster than ``load_run``, which
    compares these with their hashes too.

    Raises:
        StoreError: as in ``load_run``.
    """
    with ReadOnlyStore(run) as store, explain_damage(store):
        found = read_findings(store, has_transcripts=False)
        decision, check = _decide_again(store, found)
        _refuse_differences(store, found, decision, check)


def recompute_findings(store: Store) -> Findings:
    """Decides a finished run again; see ``load_run``."""
    found = read_findings(store)
    store.check_contents()
    decision, check = _decide_again(store, found)
    digests = read_digests(store.path, found.plan)
    if digests is not None:
        check_answers(digests, found.transcripts, store.path / "run.sqlite")
    _refuse_differences(store, found, decision, check)
    return replace(
        found,
        verdict=decision.verdict,
        cells=decision.cells,
        path=decision.path,
        e_values=decision.e_values,
        judge_check=check,
        bounds=bound_plan(found.plan, decision.cells),
    )


def _decide_again(store: Store, found: Findings) -> tuple[Decision, JudgeCheck | None]:
    try:
        decision = recompute_decision(store, found.plan)
        amendments = read_amendments(store.path / "plan.lock.json")
        check = check_judge(store, found.plan, decision.cells, decision.verdict.estimates)
        verdict = mark_verdict(warn_of_drift(decision.verdict, check), amendments)
        return replace(decision, verdict=verdict), check
    except IncompleteError as error:
        raise UnfinishedError(
            f"{store.path}: the store lacks answers of its verdict: {error}"
        ) from None


def _refuse_differences(
    store: Store, found: Findings, decision: Decision, check: JudgeCheck | None
) -> None:
    differences = list(_describe_differences(found, decision))
    if to_plain(check) != to_plain(found.judge_check):
        differences.append("the repeated judgements are not those of the file's judge_check")
    if differences:
        more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise StoreError(
            f"{store.path / 'verdict.json'}: is not what the stored answers give: "
            f"{'; '.join(differences[:_SHOWN])}{more}. It or run.sqlite was edited, or another "
            f"version of dormant decided; {advise_repeating(found.plan)}"
        )


def recompute_decision(store: Store, plan: Plan) -> Decision:
    """Runs the design of a plan on the stored counts.

    Raises:
        IncompleteError: an answer that the design asks for is not in the store.
        StoreError: an answer is not judged, or the noted order of the cues is damaged.
    """
    if plan.origin is Origin.IMPORT:
        cells = tuple(_count_imported(store, plan))
        return Decision(decide_import(plan, cells), cells)
    design = start_design(plan, read_ranking(store, plan))
    ask = next(design)
    while True:
        try:
            ask = design.send(count_ask(store, plan, ask))
        except StopIteration as end:
            return end.value


def read_ranking(store: Store, plan: Plan) -> tuple[str, ...]:
    """The noted order of the cues by teacher forcing; empty without it."""
    if plan.sequential is None or plan.sequential.screening == "none":
        return ()
    noted = store.read_note("ranking", {})
    try:
        return tuple(str(name) for name, _ in noted[plan.hash])
    except (KeyError, TypeError, ValueError):
        raise StoreError(
            f"{store.path}: the order of the cues is missing; run the audit again to continue"
        ) from None


def answers_wanted(ask: Ask, probes: Sequence[Probe]) -> dict[str, int]:
    """How many answers each ``Probe.id`` of a request needs."""
    wanted: dict[str, int] = {}
    for probe in probes:
        answers = ask.answers if probe.cue else ask.standard_answers
        wanted[probe.id] = max(answers, wanted.get(probe.id, 0))
    return wanted


def count_ask(store: Store, plan: Plan, ask: Ask) -> tuple[Cell, ...]:
    """Counts the stored answers of a request, model by model."""
    probes = pair_probes(ask.questions, ask.cues)
    wanted = answers_wanted(ask, probes)
    return tuple(
        cell for card in plan.models for cell in count_outcomes(store, plan, card, probes, wanted)
    )


def count_outcomes(
    store: Store,
    plan: Plan,
    card: ModelCard,
    probes: Sequence[Probe],
    wanted: Mapping[str, int],
) -> list[Cell]:
    """Counts one model's stored answers to prompts.

    Args:
        store: the run's.
        plan: the frozen audit.
        card: the model.
        probes: prompts; one cell each.
        wanted: answers that count of each ``Probe.id``.

    Raises:
        IncompleteError: an answer is not stored.
        StoreError: an answer is not judged.
    """
    source = store.source_row(source_of(plan, card))
    counts: dict[str, OutcomeCounts] = {}
    for answers in set(wanted.values()):
        asked = {probe for probe, number in wanted.items() if number == answers}
        counts |= store.count_outcomes(
            plan.judge_fingerprint,
            source,
            answers,
            probes=asked,
            alignment_below=plan.alignment_threshold,
        )
    stored = {probe: sum(found.counts) for probe, found in counts.items()}
    short = [p for p in probes if stored.get(p.id, 0) != wanted[p.id]]
    if short:
        got = sum(stored.get(p.id, 0) for p in probes)
        role = f"{card.role}" if card.seed == "0" else f"{card.role} (seed {card.seed})"
        raise IncompleteError(
            f"{got} of {sum(wanted[p.id] for p in probes)} answers of the {role} are stored; first "
            f"missing: question {short[0].question.id!r}, cue "
            f"{short[0].cue.name if short[0].cue else None!r}: run the same command again"
        )
    return [_make_cell(card, probe, counts[probe.id]) for probe in probes]


def _make_cell(card: ModelCard, probe: Probe, found: OutcomeCounts) -> Cell:
    cue = probe.cue.name if probe.cue else None
    return Cell(card.role, card.seed, cue, probe.question.id, *found)


def _count_imported(store: Store, plan: Plan) -> Iterator[Cell]:
    """Counts whatever an import stored."""
    probes = pair_probes(plan.questions, plan.cues)
    for card in plan.models:
        source = store.source_row(source_of(plan, card))
        counts = store.count_outcomes(
            plan.judge_fingerprint, source, _ALL, alignment_below=plan.alignment_threshold
        )
        yield from (_make_cell(card, p, counts[p.id]) for p in probes if p.id in counts)


def _describe_differences(found: Findings, decision: Decision) -> Iterator[str]:
    """What a run's verdict file holds that its store does not give."""
    old, new = found.verdict, decision.verdict
    if old.kind is not new.kind:
        yield f"the verdict is {new.kind}, the file says {old.kind}"
    if old.triggers != new.triggers:
        yield f"the triggers are {list(new.triggers)}, the file says {list(old.triggers)}"
    stored, written = _index_cells(decision.cells), _index_cells(found.cells)
    for key in dict.fromkeys((*written, *stored)):
        ours, theirs = stored.get(key, 0), written.get(key, 0)
        if ours != theirs:
            role, seed, cue, question = key
            yield (
                f"question {question!r}, cue {cue!r}, {role} {seed}: counts are {ours or 'absent'}"
                f", the file says {theirs or 'none'}"
            )
    is_level_same = math.isclose(old.level, new.level) or bool(new.amendments)
    if not math.isclose(old.delta, new.delta) or not is_level_same:
        yield f"delta and level are {new.delta} and {new.level}, not {old.delta} and {old.level}"


def _index_cells(cells: Sequence[Cell]) -> dict[tuple[str, str, str | None, str], list[int]]:
    return {(str(c.role), c.seed, c.cue, c.question): list(c.counts) for c in cells}
