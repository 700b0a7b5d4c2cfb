"""Grades of a judge of another package, checked before they count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dormant.config.plugins import blame_authors, name_failures
from dormant.errors import ConfigError, shorten_value
from dormant.records import Judgement, Outcome, Plugin

Grades = list[tuple[int, Judgement]]


def check_grades(batches: Iterable[Grades], plugin: Plugin, number: int) -> Iterator[Grades]:
    """Yields batches of grades after a check of their types and numbers.

    Args:
        batches: (index of the answer, judgement), from the plugin.
        plugin: where the judge comes from.
        number: answers that it was given.

    Raises:
        ConfigError: the judge fails, a grade is none, or an answer has no grade or two.
    """
    seen: set[int] = set()
    found = iter(batches)
    while True:
        with name_failures(plugin):
            batch = next(found, None)
        if batch is None:
            break
        for index, judgement in batch:
            _check_grade(judgement, plugin)
            if index in seen or not 0 <= index < number:
                raise ConfigError(
                    f"{plugin} graded answer {shorten_value(index)} twice, or was not given it: "
                    f"{blame_authors(plugin)}"
                )
            seen.add(index)
        yield batch
    if len(seen) < number:
        raise ConfigError(
            f"{plugin} graded {len(seen)} of {number} answers: {blame_authors(plugin)}"
        )


def _check_grade(judgement: Any, plugin: Plugin) -> None:
    outcome, scores, note = (
        getattr(judgement, name, None) for name in ("outcome", "scores", "note")
    )
    if not isinstance(judgement, Judgement):
        problem = f"{shorten_value(judgement)}, not a Judgement"
    elif not isinstance(outcome, Outcome):
        problem = f"the outcome {shorten_value(outcome)}, not an Outcome"
    elif not isinstance(note, str):
        problem = f"the note {shorten_value(note)}, not a text"
    elif not isinstance(scores, Mapping) or not all(_is_score(*item) for item in scores.items()):
        problem = f"the scores {shorten_value(scores)}, not numbers by name"
    else:
        return
    raise ConfigError(f"{plugin} returned {problem}: {blame_authors(plugin)}")


def _is_score(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, int | float) and not isinstance(value, bool)
