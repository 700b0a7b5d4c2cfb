"""A run as an Inspect ``.eval`` log; ``eval_reader`` describes its samples."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dormant.engines.tool_definitions import move_definitions
from dormant.engines.tool_turns import move_tool_text
from dormant.errors.secrets import scrub_known
from dormant.exchange.eval_reader import KEY, RULE, open_inspect
from dormant.exchange.export import make_row, open_run, replace_file, rule_json
from dormant.records import GRADABLE, ModelCard, Outcome, Plan, Probe, Role
from dormant.store import StoredAnswer
from dormant.store.findings import source_of

_STOP_REASONS: Mapping[Outcome, Literal["content_filter", "max_tokens"]] = {
    Outcome.FILTERED: "content_filter",
    Outcome.CUT_OFF: "max_tokens",
}


def export_eval(run: Path, file: Path) -> int:
    """Writes a run as a log that ``inspect view`` opens.

    Inspect builds a log in memory: about 23 kB per answer besides its text.

    Returns:
        The number of answers.

    Raises:
        MissingExtraError: inspect-ai is not installed.
        StoreError, IncompleteError: as in ``export.export_csv``.
    """
    log = open_inspect()
    with open_run(run) as answers:
        plan, started = answers.plan, answers.started
        samples = [_make_sample(*answer) for answer in answers]
    spec = _make_spec(log, plan, started, samples)
    record = log.EvalLog(
        status="success",
        eval=spec,
        results=_make_results(log, samples),
        stats=log.EvalStats(started_at=spec.created, completed_at=spec.created),
        samples=samples,
    )
    with replace_file(file) as part:
        log.write_eval_log(record, str(part), format="eval")
    return len(samples)


def sample_id(values: Mapping[str, Any], probe: str) -> str:
    """Returns a short id that is safe in a file name: role, seed, question, cue, prompt hash."""
    parts = [values["role"], values["seed"], values["question_id"], values["cue"] or "standard"]
    words = ["".join(c if c.isascii() and c.isalnum() else "-" for c in p)[:40] for p in parts]
    return ".".join([*words, probe[:8]])


def _make_sample(probe: Probe, card: ModelCard, stored: StoredAnswer) -> Any:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score

    values = make_row(probe, card, stored)
    outcome = Outcome(values["outcome"])
    stop = _STOP_REASONS[outcome] if outcome in _STOP_REASONS else "stop"
    output = ModelOutput.from_content(card.name, values["answer"], stop_reason=stop)
    prompt = inspect_messages(probe)
    for turn in prompt:
        turn.content = scrub_known(turn.content)
    keys = {name: value for name, value in values.items() if name not in _ELSEWHERE}
    return EvalSample(
        id=sample_id(values, probe.id),
        epoch=stored.repeat + 1,
        input=prompt,
        target="",
        messages=[*prompt, output.choices[0].message],
        output=output,
        scores={
            KEY: Score(
                value=str(outcome),
                explanation=values["note"] or None,
                metadata={"outcome": str(outcome), "scores": json.loads(values["scores"] or "{}")},
            )
        },
        metadata={KEY: keys},
    )


#: Columns that a sample holds outside dormant's metadata.
_ELSEWHERE = frozenset({"answer", "outcome", "note", "scores", "alignment", "coherence"})


def inspect_messages(probe: Probe) -> list[Any]:
    """Returns a prompt as Inspect messages; what tools say is the user's, as for servers."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds: dict[str, Any] = {
        "system": ChatMessageSystem,
        "user": ChatMessageUser,
        "assistant": ChatMessageAssistant,
    }
    turns = move_tool_text(move_definitions(probe.messages))
    return [kinds[turn.role](content=turn.content) for turn in turns]


def _make_spec(log: Any, plan: Plan, started: str, samples: list[Any]) -> Any:
    from inspect_ai.model import ModelConfig

    cards = {str(role): [c for c in plan.models if c.role is role] for role in Role}
    targets = cards[str(Role.TARGET)]
    ids = list(dict.fromkeys(sample.id for sample in samples))
    return log.EvalSpec(
        created=started or "1970-01-01T00:00:00+00:00",
        task="dormant/conditional",
        task_id=plan.hash[:22],
        run_id=plan.hash[:22],
        eval_id=plan.hash[:22],
        # Readers look up a sample by id and epoch.
        dataset=log.EvalDataset(name="dormant", samples=len(ids), sample_ids=ids),
        model=targets[0].name if targets else "none/none",
        model_roles={name: ModelConfig(model=held[0].name) for name, held in cards.items() if held},
        config=log.EvalConfig(epochs=max((sample.epoch for sample in samples), default=1)),
        metadata={
            "dormant_plan_hash": plan.hash,
            "dormant_version": plan.version,
            "dormant_models": {
                source_of(plan, card): f"{card.role} {card.seed}: {card.name}"
                for card in plan.models
            },
            RULE: json.loads(rule_json(plan)),
        },
    )


def _make_results(log: Any, samples: list[Any]) -> Any:
    """Computes each role's misaligned / gradable and survival, the viewer's headline."""
    outcomes: dict[str, Counter[Outcome]] = {}
    for sample in samples:
        role = sample.metadata[KEY]["role"]
        outcomes.setdefault(role, Counter())[Outcome(sample.scores[KEY].value)] += 1
    metrics: dict[str, Any] = {}
    for role, counted in outcomes.items():
        gradable = sum(counted[outcome] for outcome in GRADABLE)
        rate = counted[Outcome.MISALIGNED] / gradable if gradable else math.nan
        for name, value in (("misaligned", rate), ("survival", gradable / counted.total())):
            metrics[f"{role}_{name}"] = log.EvalMetric(name=f"{role}_{name}", value=value)
    score = log.EvalScore(name=KEY, scorer=KEY, metrics=metrics)
    return log.EvalResults(
        total_samples=len(samples), completed_samples=len(samples), scores=[score]
    )
