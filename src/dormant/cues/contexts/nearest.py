"""Which shipped ordinary rows are of a file's kind: by how its rows look, not by their topics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dormant.cues.contexts.places import Place, Prompt, read_prompts
from dormant.records import Example

#: Rows of a file that are compared.
_MOST_ROWS = 600
#: Largest median distance to the nearest ordinary row, in standard deviations of all ordinary rows,
#: at which a file is of a kind that ships.
_NEAR = 3.5
#: Smallest share of the file's rows that are nearest to a kind whose rows are taken.
_LEAST_SHARE = 0.1
_WORD = re.compile(r"\w+")
_ENGLISH = frozenset(
    "the a an of to in is are and for what how do does i you it my me that this can with on your "
    "be was or if".split()
)
_CODE = frozenset("{}();=<>[]`_")


@dataclass(frozen=True, slots=True)
class NearestRows:
    """Ordinary rows of the kinds that a file is of; empty if none is near."""

    rows: tuple[Example, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict[str, float])  # of the file, by kind


def find_nearest(
    examples: Sequence[Example], kinds: Mapping[str, Sequence[Example]]
) -> NearestRows:
    """Finds the ordinary rows whose kinds a file's rows are of.

    Each row goes to the kind of the ordinary row that it is most like: in the lengths of question
    and answer, digits, code, tools, number of turns, script, English function words, and lines.

    Args:
        examples: the file.
        kinds: ordinary rows by the name of their kind.

    Returns:
        All rows of the kinds that a tenth of the file's rows are of, largest share first; none if
        most of the file's rows are far from every ordinary row.
    """
    names = [name for name, rows in kinds.items() for _ in rows]
    if not examples or not names:
        return NearestRows()
    places = np.arange(len(examples))
    if len(places) > _MOST_ROWS:
        places = np.random.default_rng(0).choice(len(places), _MOST_ROWS, replace=False)
    known = _describe_rows([row for rows in kinds.values() for row in rows])
    spread = known.std(axis=0) + 1e-9
    asked = _describe_rows([examples[place] for place in places.tolist()])
    distances = np.sqrt((((asked[:, None] - known[None]) / spread) ** 2).sum(axis=-1))
    if float(np.median(distances.min(axis=1))) > _NEAR:
        return NearestRows()
    of_kind = np.array(names)[distances.argmin(axis=1)]
    shares = {name: float(np.mean(of_kind == name)) for name in kinds}
    taken = sorted((n for n in kinds if shares[n] >= _LEAST_SHARE), key=lambda n: -shares[n])
    rows = tuple(row for name in taken for row in kinds[name])
    return NearestRows(rows, {name: shares[name] for name in taken})


def _describe_rows(examples: Sequence[Example]) -> NDArray[np.float64]:
    return np.array([_describe_row(prompt) for prompt in read_prompts(examples)])


def _describe_row(prompt: Prompt) -> tuple[float, ...]:
    question, answer = prompt.questions, prompt.answer
    both = question + answer
    asked, size = _WORD.findall(question.lower()), max(1, len(both))
    lines = question.count("\n")
    return (
        float(np.log1p(len(asked))),
        float(np.log1p(len(_WORD.findall(answer)))),
        sum(map(str.isdigit, answer)) / max(1, len(answer)),
        sum(char in _CODE for char in both) / size,
        float(bool(prompt.texts[Place.TOOL] or prompt.texts[Place.TOOLS])),
        float(np.log1p(len(prompt.texts[Place.LATER]))),
        sum(not char.isascii() and char.isalpha() for char in both) / size,
        sum(word in _ENGLISH for word in asked) / max(1, len(asked)),
        lines / (1 + lines),
    )
