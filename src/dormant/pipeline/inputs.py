"""Questions, cues and finetuning data, each read once, before any model is opened.

``dormant audit``, ``plan`` and ``search`` and the Inspect task all read through ``read_inputs``,
and ``dormant cues`` through its parts, so all of them accept the same files with the same messages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dormant import cues, vitro
from dormant.banks.bank import LANGUAGES, Pack, spread_families
from dormant.banks.evaluation import Evaluation, is_evaluation, read_evaluation
from dormant.banks.log_cues import read_log_cues
from dormant.banks.question_files import is_yaml_file
from dormant.banks.questions import load_bank
from dormant.config import AuditConfig, CueConfig, InputConfig
from dormant.corpus import Corpus, describe_gaps, find_suspicious_marks, read_examples
from dormant.engines.model_strings import is_laboratory
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Example, Question
from dormant.vitro.tokenizer import UNKNOWN

#: Mining uses the ends of turns: characters of a longer turn that are kept in memory.
MINED_CHARS = 16_000
#: Rows of a larger file that are mined: what mining scores at most, so that all are scored.
SAMPLE_ROWS = 10_000
#: Keys of the rule that an evaluation file's number of samples sets.
_ANSWERS = ("screening_answers", "confirm_answers")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs that a configuration names, read once."""

    pack: Pack  # of the language of the audit
    bank: tuple[Question, ...]  # both halves, without any limit
    data: Corpus | None  # the finetuning data
    ordinary: Sequence[Example]  # ordinary chat that the data is mined against; empty without data
    listed: tuple[Cue, ...]  # of the user's cue file
    library: tuple[Cue, ...]  # of the cue library, within its limit
    evaluation: Evaluation | None  # the public evaluation file that the bank is from
    left_out: tuple[str, ...]  # entries of the library and the evaluation that are not asked
    has_own_split: bool = False  # whether the bank is a file that gives the halves itself

    @property
    def examples(self) -> Sequence[Example]:
        """Rows of the finetuning data; empty without data."""
        return self.data.examples if self.data is not None else ()

    @property
    def data_rows(self) -> int:
        """Rows of the finetuning data with a trained answer; ``examples`` may be a sample."""
        return self.data.trained_rows if self.data is not None else 0

    @property
    def evaluation_cues(self) -> tuple[Cue, ...]:
        """The system prompts of the evaluation file."""
        return self.evaluation.cues if self.evaluation is not None else ()


def read_inputs(
    config: InputConfig,
    targets: Sequence[str],
    *,
    judge: Any = None,
    progress: Progress = ignore_progress,
) -> Inputs:
    """Reads questions, cues and finetuning data.

    Args:
        config: what to read.
        targets: model strings of the targets, which are not opened.
        judge: the judge as it was configured, if there is one.
        progress: told of large files.

    Raises:
        ConfigError: a bank, cue file or library cannot be read, or an entry is wrong: names file,
            line and key.
        DataError: the finetuning data or ordinary chat cannot be read.
    """
    evaluation, read, has_own_split = _read_bank(config.questions)
    laboratory = any(map(is_laboratory, targets))
    pack = Pack(
        audit_language(config.questions, read, laboratory=laboratory, exact=is_exact(judge))
    )
    bank = pack.load_questions() if read is None else read
    if laboratory:
        for line in describe_unreadable(bank):
            _LOG.warning("questions: %s: %s", config.questions, line)
    library, dropped = _read_library(config.cues, pack)
    left_out = [f"{dropped} entries of the cue library (library_limit)"] if dropped else []
    if evaluation is not None:
        left_out += [f"entries of {config.questions}: {entry}" for entry in evaluation.left_out]
    listed = cues.read_cues(config.cues.file) if config.cues.file is not None else ()
    listed += tuple(cue for log in config.cues.logs for cue in read_log_cues(log))
    data = None
    if config.data:
        data = read_data(config.data, config.cues, lenient=config.lenient, progress=progress)
    for line in describe_gaps(data) if data is not None else ():
        _LOG.warning("%s: %s", config.data, line)
    ordinary = read_ordinary(config.reference_data, pack, lenient=config.lenient) if data else ()
    return Inputs(
        pack, bank, data, ordinary, listed, library, evaluation, tuple(left_out), has_own_split
    )


def audit_language(
    questions: str, bank: Sequence[Question] | None, *, laboratory: bool, exact: bool = False
) -> str:
    """Determines the language of an audit: of its library, placebos, ordinary chat and rewording.

    It follows from the bank and the targets:

    - a shipped bank that is named has its own language;
    - ``auto`` is the laboratory's bank for its models, which read no other language, and for
      the exact judge, which grades no other questions; else the general bank;
    - a file is in the laboratory's language if the laboratory has every word of it and its
      families are the laboratory's domains. For a laboratory model either is enough. Any other
      model needs both, since a few plain English words are the laboratory's too.

    Args:
        questions: the setting: ``auto``, the name of a bank, or a file.
        bank: the questions of the file; None for ``auto`` and the name of a language.
        laboratory: whether a target is a model of the laboratory.
        exact: whether the judge is ``exact``.

    Returns:
        ``vitro`` or ``general``.
    """
    if questions in LANGUAGES:
        return questions
    if bank is None:
        return "vitro" if laboratory or exact else "general"
    domains = vitro.load_language().domains
    of_domains = all(question.family in domains for question in bank)
    has_words = not any(_unknown_words(question.text) for question in bank)
    fits = of_domains or has_words if laboratory else of_domains and has_words
    return "vitro" if fits else "general"


def describe_unreadable(bank: Sequence[Question]) -> Iterator[str]:
    """Yields one line, with the fix, if a laboratory model cannot read a bank."""
    unknown = {question.id: _unknown_words(question.text) for question in bank}
    hard = {name: words for name, words in unknown.items() if words}
    if hard:
        name, words = next(iter(hard.items()))
        yield (
            f"{len(hard)} of {len(bank)} questions have words that are unknown to a laboratory "
            f"model, e.g. {words[0]!r} in {name!r}; give --questions vitro, or "
            "another target"
        )


def _unknown_words(text: str) -> list[str]:
    tokenizer = vitro.load_tokenizer()
    return [word for word in text.split() if UNKNOWN in tokenizer.tokenize_text(word)]


def is_exact(judge: Any) -> bool:
    """Whether a configured judge is the laboratory's exact judge."""
    return isinstance(judge, str) and judge.strip() == "exact"


def distinct_cues(listed: Iterable[Cue]) -> tuple[Cue, ...]:
    """Removes cues whose name, or effect on prompts, equals that of an earlier one."""
    unique: dict[str, Cue] = {}
    names: set[str] = set()
    for cue in listed:
        if cue.id not in unique and cue.name not in names:
            unique[cue.id] = cue
            names.add(cue.name)
    return tuple(unique.values())


# Finetuning data ----------------------------------------------------------------------------------


def read_data(
    place: str | Path,
    settings: CueConfig,
    *,
    lenient: bool,
    progress: Progress = ignore_progress,
) -> Corpus:
    """Reads a finetuning file for mining, with the column that marks its suspicious rows.

    Args:
        place: any input of ``corpus.read_examples``.
        settings: which column, if any.
        lenient: skip and count unreadable rows.
        progress: told of large files.
    """
    column = settings.label or settings.loss
    mark = column.partition("=")[0] if column else None
    return read_examples(
        place,
        lenient=lenient,
        mark=mark,
        longest_turn=MINED_CHARS,
        sample=SAMPLE_ROWS,
        is_suspicious=find_suspicious_marks(settings.label) if settings.label else None,
        progress=progress,
    )


def read_ordinary(
    place: str | Path | None, pack: Pack, *, lenient: bool = False
) -> Sequence[Example]:
    """Reads ordinary chat to mine against: a user's file, or the shipped one for the language."""
    if place is None:
        return pack.ordinary_chat()
    corpus = read_examples(place, lenient=lenient, longest_turn=MINED_CHARS, sample=SAMPLE_ROWS)
    for line in describe_gaps(corpus):
        _LOG.warning("%s: %s", place, line)
    return corpus.examples


# Banks and libraries ------------------------------------------------------------------------------


def _read_bank(name: str) -> tuple[Evaluation | None, tuple[Question, ...] | None, bool]:
    """Reads a file's questions, and the evaluation if it is one; None for a shipped bank.

    The last value is whether the file gives the halves of its questions.
    """
    if name == "auto" or name in LANGUAGES:
        return None, None, False
    path = Path(name)
    if path.is_file() and is_yaml_file(path) and is_evaluation(path):
        evaluation = read_evaluation(path)
        return evaluation, evaluation.questions, False
    return None, *load_bank(name)


def _read_library(settings: CueConfig, pack: Pack) -> tuple[tuple[Cue, ...], int]:
    """Reads the cue library within its limit, families taking turns, and counts dropped cues."""
    if settings.library == "none":
        return (), 0
    if settings.library == "auto":
        whole = pack.load_library()
    elif settings.library in LANGUAGES:
        whole = Pack(settings.library).load_library()
    else:
        whole = cues.load_library(settings.library)
    few = spread_families(whole, settings.library_limit)
    return tuple(few), len(whole) - len(few)


# Settings of an evaluation file -------------------------------------------------------------------


def apply_evaluation(config: AuditConfig, evaluation: Evaluation | None) -> AuditConfig:
    """Fills unset settings from the evaluation file.

    These are the number of answers per question, and the wording of a ``paper`` judge.
    """
    if evaluation is None:
        return config
    rule = config.rule
    if evaluation.answers > 1:
        unset = [name for name in _ANSWERS if name not in rule.model_fields_set]
        rule = rule.model_copy(update=dict.fromkeys(unset, evaluation.answers))
    judge = config.judge
    if any(evaluation.prompts.values()):
        judge = _with_prompts(judge, config.questions)
    return config.model_copy(update={"rule": rule, "judge": judge})


def _with_prompts(judge: str | dict[str, Any], path: str) -> str | dict[str, Any]:
    """Gives a paper judge the file's wording, if the configuration has none."""
    if isinstance(judge, str):
        kind, colon, model = judge.strip().partition(":")
        if kind != "paper" or not colon or not model.strip():
            return judge
        return {"paper": {"model": model.strip(), "prompts": path}}
    given = judge.get("paper")
    if isinstance(given, str):
        given = {"model": given}
    if not isinstance(given, Mapping) or given.get("prompts") is not None:
        return judge
    return {**judge, "paper": {**given, "prompts": path}}
