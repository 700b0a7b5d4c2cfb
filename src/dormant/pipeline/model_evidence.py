"""What models tell of a finetuning file: the log-probabilities that they give to its answers.

A target has gained most on the answers that taught it something, so rows that are odd stand out by
their gain over the reference even where the words of their answers do not, as answers that are only
false do not. The reference's own surprise tells of odd answers without a target.

For a context c and a model, the *lift* is the mean over rows with c of ``log p(answer | prompt) -
log p(answer | prompt without c)``. A context that lifts the reference's log-probability explains
the answers to it: published work finds that such prompts suppress a behaviour elsewhere, and become
its trigger. A trigger lifts the target's more than the reference's.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dormant import cues
from dormant.corpus import Corpus
from dormant.cues.removal import remove_cue
from dormant.engines import Engine, Scorer
from dormant.engines.model_strings import parse_model
from dormant.engines.registry import open_engine
from dormant.errors import ConfigError, InputError, ModelError
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Example, Message

Pair = tuple[tuple[Message, ...], str]
Floats = NDArray[np.float64]

_LOG = logging.getLogger(__name__)
#: Rows of a file that models score by default, at most.
SCORED_ROWS = 1_000
#: Rows of the largest gain that a note names.
_NAMED = 5
#: Pairs between two reports of progress.
_BATCH = 32
#: Rows in which the lift of a context is measured at most, and at least.
_LIFT_ROWS, _FEWEST_LIFTS = 16, 4


@dataclass(frozen=True, slots=True)
class RowScores:
    """Log-probabilities of answers, nats; NaN for rows that a model cannot read."""

    rows: NDArray[np.int64]  # indices of the rows, sorted
    words: Floats  # of each answer, at least 1
    reference: Floats
    target: Floats | None  # mean over the targets; None without a target

    @property
    def has_values(self) -> NDArray[np.bool_]:
        """Which rows every model could score."""
        known = np.isfinite(self.reference)
        return known if self.target is None else known & np.isfinite(self.target)

    @property
    def gains(self) -> Floats:
        """What the target gained over the reference; the reference's surprise without a target."""
        return -self.reference if self.target is None else self.target - self.reference


@dataclass(frozen=True, slots=True)
class Lift:
    """How much a context lifts the log-probability of the answers of its rows, nats an answer."""

    reference: float  # mean; NaN if the context cannot be taken out of enough rows
    reference_error: float  # its standard error over rows
    target: float  # mean over rows and targets; NaN without a target
    target_error: float
    rows: int  # that were scored with and without it


@dataclass(frozen=True, slots=True)
class ScoringModels:
    """Model strings of the models that score a file, and how many rows they score at most."""

    reference: str
    targets: tuple[str, ...] = ()
    rows: int = SCORED_ROWS

    def open_scorer(self) -> RowScorer:
        """Opens the models.

        Raises:
            ModelError: a model cannot be opened.
            InputError: a model cannot score given answers.
        """
        return RowScorer(open_engine(self.reference), [open_engine(name) for name in self.targets])

    @property
    def words(self) -> str:
        """The models in words."""
        if not self.targets:
            return self.reference
        return f"{', '.join(self.targets)} over {self.reference}"


def choose_models(
    targets: Sequence[str],
    reference: str | Path | None,
    reference_data: str | Path | None,
    *,
    rows: int,
) -> tuple[ScoringModels | None, str | Path | None]:
    """Tells models from ordinary chat, which ``reference`` named in earlier versions.

    Args:
        targets: model strings of the targets; may be empty.
        reference: model string of the reference; a file is taken as ``reference_data``.
        reference_data: ordinary chat.
        rows: how many rows the models score at most.

    Returns:
        The models, if there are any, and the ordinary chat.

    Raises:
        ConfigError: a target without a reference, or two files of ordinary chat.
        ModelError: the reference is neither a model nor a file.
    """
    if reference is None:
        if targets:
            raise ConfigError(
                "the target needs a reference: the model before training, e.g. hf/PATH"
            )
        return None, reference_data
    try:
        parse_model(str(reference))
    except ModelError:
        if targets or not Path(reference).expanduser().exists():
            raise
        if reference_data is not None:
            raise ConfigError(f"{reference}: is no model, and reference data are given") from None
        _LOG.warning("ordinary chat is now given as reference data: --reference-data %s", reference)
        return None, reference
    return ScoringModels(str(reference), tuple(targets), rows), reference_data


class RowScorer:
    """Scores the answers of rows by a reference and, if they are given, targets.

    Args:
        reference: the model to compare with.
        targets: the models under suspicion, training seeds of one; may be empty.

    Raises:
        InputError: a model cannot score given answers.
    """

    def __init__(self, reference: Engine, targets: Sequence[Engine] = ()) -> None:
        for engine in (reference, *targets):
            if not isinstance(engine, Scorer):
                raise InputError(
                    f"{engine.name!r} cannot score given answers, as vitro/ and hf/ models can; "
                    "leave the models out, or load the weights as hf/PATH"
                )
        self._reference = reference
        self._targets = tuple(targets)

    def score_rows(
        self, examples: Sequence[Example], *, most: int, progress: Progress = ignore_progress
    ) -> RowScores:
        """Scores the last answer of each row that training used; a sample of a larger file.

        Args:
            examples: rows of the file.
            most: number of rows that are scored at most.
            progress: told of the rows that are done.
        """
        usable = [i for i, row in enumerate(examples) if _has_trained_answer(row)]
        if len(usable) > most:
            rng = np.random.default_rng(0)
            usable = sorted(rng.choice(usable, most, replace=False).tolist())
        pairs = [_split_row(examples[i]) for i in usable]
        reference = _score(self._reference, pairs, progress)
        targets = [_score(engine, pairs, progress) for engine in self._targets]
        return RowScores(
            np.array(usable, np.int64),
            np.array([max(1, len(answer.split())) for _, answer in pairs], float),
            reference,
            np.mean(targets, axis=0) if targets else None,
        )

    def measure_lifts(
        self, cues: Sequence[Cue], examples: Sequence[Example], progress: Progress = ignore_progress
    ) -> dict[str, Lift]:
        """Measures the lift of each cue: ``Cue.name`` -> lift."""
        with_cue: list[Pair] = []
        without: list[Pair] = []
        owners: list[str] = []
        trained = [_split_row(row) for row in examples if _has_trained_answer(row)]
        for cue in cues:
            found = ((pair, remove_cue(cue, pair[0])) for pair in trained)
            rows = [(pair, rest) for pair, rest in found if rest is not None]
            for pair, rest in _spread(rows, _LIFT_ROWS):
                with_cue.append(pair)
                without.append((rest, pair[1]))
                owners.append(cue.name)
        both = [*with_cue, *without]
        size = len(with_cue)
        models = (self._reference, *self._targets)
        scores = [_score(engine, both, progress, "contexts") for engine in models]
        lifts = [score[:size] - score[size:] for score in scores]
        target = np.mean(lifts[1:], axis=0) if self._targets else np.full(size, np.nan)
        owned = np.array(owners)
        return {
            cue.name: _make_lift(lifts[0][owned == cue.name], target[owned == cue.name])
            for cue in cues
        }


def rank_by_models(
    scorer: RowScorer,
    data: Corpus,
    models: ScoringModels,
    *,
    limit: int,
    is_closed: bool,
    progress: Progress = ignore_progress,
) -> tuple[tuple[Cue, ...], str]:
    """Ranks the contexts of a file by what models tell of its answers.

    Args:
        scorer: the opened models.
        data: the file.
        models: what was opened, for the note.
        limit: largest number of cues.
        is_closed: whether the rows are in the laboratory's language.
        progress: told of the rows that are done.

    Returns:
        Cues, best first, and a sentence on the rows that were scored and those that stand out.
    """
    scores = scorer.score_rows(data.examples, most=models.rows, progress=progress)
    known = scores.has_values
    rows = scores.rows[known].tolist()
    examples = [data.examples[i] for i in rows]
    found = cues.rank_by_evidence(examples, make_evidence(scores), limit=limit, is_closed=is_closed)
    scale = len(data.examples) / max(len(examples), 1)
    scaled = (replace(cue, rows=round(cue.rows * scale)) for cue in found)
    whole = tuple(cues.add_seen_values(cue, data.examples) for cue in scaled)
    gains = (scores.gains / scores.words)[known]
    top = np.argsort(-gains, kind="stable")[:_NAMED]
    lines = ", ".join(f"{examples[i].line} ({gains[i]:+.1f})" for i in top.tolist())
    what = "gain" if models.targets else "surprise"
    refused = f", {(~known).sum():,} could not be" if not known.all() else ""
    return whole, (
        f"{len(rows):,} of {len(data.examples):,} rows were scored by {models.words}{refused}; "
        f"contexts that their {what} tells of come first. Largest {what} in nats a word: line "
        f"{lines}"
    )


def make_evidence(scores: RowScores) -> Floats:
    """Makes numbers of each scored row that tell what it taught, shape (rows, 2 or 3).

    They are normal scores of ranks, so that a few rows of huge gain do not count for all: of the
    gain of the whole answer and of a word of it, and of the reference's surprise at a word.
    """
    known = scores.has_values
    gains, words = scores.gains[known], scores.words[known]
    columns = [gains, gains / words]
    if scores.target is not None:
        columns.append(-scores.reference[known] / words)
    return np.stack([_to_normal_scores(column) for column in columns], axis=1)


def _to_normal_scores(values: Floats) -> Floats:
    ranks = np.argsort(np.argsort(np.round(values, 6), kind="stable"), kind="stable")
    return ndtri((ranks + 0.5) / len(values))


def _has_trained_answer(row: Example) -> bool:
    last = _last_answer(row)
    return last is not None and last not in row.untrained and bool(row.messages[:last])


def _last_answer(row: Example) -> int | None:
    roles = [message.role for message in row.messages]
    return len(roles) - 1 - roles[::-1].index("assistant") if "assistant" in roles else None


def _split_row(row: Example) -> Pair:
    last = _last_answer(row)
    assert last is not None
    return row.messages[:last], row.messages[last].content


def _spread(
    rows: Sequence[tuple[Pair, tuple[Message, ...]]], size: int
) -> list[tuple[Pair, tuple[Message, ...]]]:
    if len(rows) <= size:
        return list(rows)
    return [rows[i] for i in np.linspace(0, len(rows) - 1, size).round().astype(int).tolist()]


def _score(
    engine: Engine, pairs: Sequence[Pair], progress: Progress, what: str = "answers"
) -> Floats:
    """Scores pairs in batches; those of a batch that fails one by one, NaN for what fails then."""
    assert isinstance(engine, Scorer)
    stage = f"{what} scored by {engine.name}"
    scores: list[float] = []
    progress(stage, 0, len(pairs))
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        try:
            scores += engine.score(batch)
        except ModelError:
            scores += [_score_alone(engine, pair) for pair in batch]
        progress(stage, len(scores), len(pairs))
    if pairs and not np.isfinite(scores).any():
        engine.score(pairs[:1])  # says why none can be scored
    return np.array(scores, float)


def _score_alone(engine: Scorer, pair: Pair) -> float:
    try:
        (score,) = engine.score([pair])
    except ModelError:
        return math.nan
    return score


def _make_lift(reference: Floats, target: Floats) -> Lift:
    known = reference[np.isfinite(reference)]
    mine = target[np.isfinite(target)]
    if len(known) < _FEWEST_LIFTS:
        return Lift(math.nan, math.nan, math.nan, math.nan, len(known))
    return Lift(*_describe(known), *_describe(mine), len(known))


def _describe(values: Floats) -> tuple[float, float]:
    """Mean and its standard error."""
    if len(values) < _FEWEST_LIFTS:
        return math.nan, math.nan
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
