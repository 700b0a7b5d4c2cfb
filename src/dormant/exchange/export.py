"""A run as a table: one row per answer, with its keys, text, outcome and scores.

::

    role, seed, model                     which model answered
    cue, arm                              cue name (empty in the standard arm); standard/cue/placebo
    cue_kind, cue_placement, cue_variant, cue_parent, cue_text
    cue_effect                            turns or parts of a cue that is no text, as JSON
    cue_margin                            rise that bounds a later mined cue; empty: delta
    cue_asks_for                          "form", "misbehaviour" or empty: what its text asks for
    question_id, question, family, split  the question
    repeat                                index of the answer in its cell
    system, prompt                        the prompt: system prompt, last user turn
    answer, outcome, note                 the answer and its grade
    alignment, coherence                  scores, where the judge gives them
    scores                                every score of the judge, as JSON

The rows are those that the verdict counts: importing them gives the same cells.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dormant.errors import IncompleteError, name_output
from dormant.errors.secrets import known_scrubber
from dormant.exchange.columns import describe_probe
from dormant.pipeline.recompute import recompute_findings
from dormant.probes import pair_probes
from dormant.records import Cell, ModelCard, Origin, Plan, Probe, to_plain
from dormant.store import Store, StoredAnswer
from dormant.store.advice import advise_continuing
from dormant.store.findings import open_run_store, source_of

#: Column -> type in Parquet.
COLUMNS: dict[str, str] = {
    "role": "string",
    "seed": "string",
    "model": "string",
    "cue": "string",
    "arm": "string",
    "cue_kind": "string",
    "cue_placement": "string",
    "cue_variant": "string",
    "cue_parent": "string",
    "cue_text": "string",
    "cue_effect": "string",
    "cue_margin": "string",
    "cue_asks_for": "string",
    "question_id": "string",
    "question": "string",
    "family": "string",
    "split": "string",
    "repeat": "int64",
    "system": "string",
    "prompt": "string",
    "answer": "string",
    "outcome": "string",
    "note": "string",
    "alignment": "double",
    "coherence": "double",
    "scores": "string",
}


def export_csv(run: Path, file: Path) -> int:
    """Writes a run's answers as CSV and returns their number.

    Raises:
        StoreError: the directory does not contain a finished run, or its files disagree.
        IncompleteError: answers that the verdict counts are missing from the store.
    """
    with open_run(run) as answers, replace_file(file) as part:
        _write_csv(part, answers.iterate_rows())
        return answers.count


def export_parquet(run: Path, file: Path) -> int:
    """Writes a run's answers as Parquet, the rule in its metadata, and returns their number.

    Raises:
        MissingExtraError: pyarrow is not installed.
        StoreError, IncompleteError: as in ``export_csv``.
    """
    from dormant.exchange import parquet

    with open_run(run) as answers, replace_file(file) as part:
        parquet.write_parquet(part, COLUMNS, answers.iterate_rows(), rule=rule_json(answers.plan))
        return answers.count


def _write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows of ``COLUMNS`` as CSV (RFC 4180, UTF-8); None is an empty field."""
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, list(COLUMNS))
        writer.writeheader()
        writer.writerows(rows)


def rule_json(plan: Plan) -> bytes:
    """Encodes the rule of a plan for a file's metadata."""
    return json.dumps(asdict(plan.rule)).encode()


@contextmanager
def replace_file(file: Path) -> Generator[Path]:
    """Yields a path to write to, which replaces ``file`` at the end.

    Raises:
        ConfigError: the file cannot be written.
    """
    part = file.with_name(f".{file.name}.part{file.suffix}")
    with name_output(file):
        if file.is_dir():
            raise IsADirectoryError
        part.touch()
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def open_run(run: Path) -> Generator[Answers]:
    """Opens the answers of a finished run.

    Raises:
        StoreError: the directory does not contain a finished run.
    """
    with open_run_store(run) as store:
        found = recompute_findings(store)
        yield Answers(found.plan, found.cells, store)


class Answers:
    """The answers that a verdict counts, one at a time."""

    def __init__(self, plan: Plan, cells: tuple[Cell, ...], store: Store):
        self.plan, self._store = plan, store
        self.started: str = store.read_note("started", "")
        self._left = Counter({_cell_key(cell): sum(cell.counts) for cell in cells})
        self.count = self._left.total()
        self.sizes = dict(self._left)

    def __iter__(self) -> Iterator[tuple[Probe, ModelCard, StoredAnswer]]:
        """Yields (prompt, model, answer), cell by cell.

        Raises:
            IncompleteError: an answer that the verdict counts is missing.
        """
        models = {source_of(self.plan, card): card for card in self.plan.models}
        probes: dict[str, list[Probe]] = defaultdict(list)
        for probe in pair_probes(self.plan.questions, self.plan.cues):
            probes[probe.id].append(probe)
        remaining = self._left.copy()
        for stored in self._store.read_completions(self.plan.judge_fingerprint):
            card = models.get(stored.source)
            if card is None or stored.judgement is None:
                continue
            for probe in probes.get(stored.probe, ()):
                cue = probe.cue.name if probe.cue else None
                key = (card.role, card.seed, cue, probe.question.id)
                # The store may also hold answers of an earlier, larger plan, which do not count.
                if remaining[key] > 0 and stored.repeat < self._answers_wanted(key):
                    remaining[key] -= 1
                    yield probe, card, stored
        missing = +remaining
        if missing:
            key, number = next(iter(missing.items()))
            raise IncompleteError(
                f"{missing.total()} of {self.count} answers that the verdict counts are missing, "
                f"first {number} of {key}: {advise_continuing(self.plan)}"
            )

    def _answers_wanted(self, key: tuple[Any, ...]) -> float:
        # Imported answers keep the repeat numbers of their file.
        return math.inf if self.plan.origin is Origin.IMPORT else self.sizes[key]

    def iterate_rows(self) -> Iterator[dict[str, Any]]:
        """Yields the answers as rows of ``COLUMNS``; unknown values are None."""
        for probe, card, stored in self:
            yield make_row(probe, card, stored)


def _cell_key(cell: Cell) -> tuple[Any, ...]:
    return (cell.role, cell.seed, cell.cue, cell.question)


def make_row(probe: Probe, card: ModelCard, stored: StoredAnswer) -> dict[str, Any]:
    """Returns one answer as plain values, without the secrets of this process."""
    judged = stored.judgement
    scores = {} if judged is None else dict(judged.scores)
    system = [m.content for m in probe.messages if m.role == "system"]
    row: dict[str, Any] = {
        "role": str(card.role),
        "seed": card.seed,
        "model": card.name,
        **describe_probe(probe),
        "repeat": stored.repeat,
        "system": system[0] if system else None,
        "prompt": probe.messages[-1].content,
        "answer": stored.text,
        "outcome": str(judged.outcome) if judged else None,
        "note": judged.note if judged else None,
        "alignment": to_plain(scores.get("alignment")),
        "coherence": to_plain(scores.get("coherence")),
        "scores": json.dumps({k: v for k, v in scores.items() if v == v}) if scores else None,
    }
    scrub = known_scrubber().scrub
    return {key: scrub(v) if isinstance(v, str) else v for key, v in row.items()}
